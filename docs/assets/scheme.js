// The button for the colours: the system's, light, dark. The page itself has begun in the right ones.
const button = document.querySelector(".ug-scheme"), system = matchMedia("(prefers-color-scheme: dark)");
const names = {
  system: "Colours follow the system. Switch to light",
  light: "Light colours. Switch to dark",
  dark: "Dark colours. Switch to the system's",
};
const choices = Object.keys(names);
let choice = "system";
try { choice = localStorage.getItem("scheme") ?? choice; } catch { /* nothing is kept where that is forbidden */ }
const show = () => {
  const scheme = choice === "dark" || (choice === "system" && system.matches) ? "slate" : "default";
  if (document.body.dataset.mdColorScheme !== scheme) document.body.dataset.mdColorScheme = scheme;
  button.dataset.choice = choice;
  button.title = button.ariaLabel = names[choice];
};
button.onclick = () => {
  choice = choices[(choices.indexOf(choice) + 1) % choices.length];
  try {
    if (choice === "system") localStorage.removeItem("scheme");
    else localStorage.setItem("scheme", choice);
  } catch { /* the choice holds for this page */ }
  show();
};
system.onchange = show;
button.hidden = false;
show();
