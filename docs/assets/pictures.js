// Videos play in view only, never for a reader who asked for less motion, and in step inside one .ug-pair.
// A scheme's hidden video is never in view, so switching colours needs nothing here.
const still = matchMedia("(prefers-reduced-motion: reduce)");
const all = (root = document) => [...root.querySelectorAll("video.anim")];
const view = new IntersectionObserver(list => list.forEach(({ target: v, isIntersecting }) => {
  if (!isIntersecting) v.pause();
  else if (!still.matches) v.play().catch(() => {});
}), { threshold: .3 });
const watch = v => {
  const pair = v.closest(".ug-pair");
  v.onplaying = v.onseeked = () => { // a new round of the loop is a seek too
    for (const o of pair ? all(pair) : [])
      if (o.checkVisibility() && Math.abs(o.currentTime - v.currentTime) > .1) o.currentTime = v.currentTime;
  };
  view.observe(v);
};
still.onchange = () => still.matches && all().forEach(v => v.pause());
(window.document$ ?? { subscribe: f => f() }).subscribe(() => all().forEach(watch));

// On a touch screen Material takes the keyboard's focus from listings, which scroll there all the more.
new MutationObserver(list => list.forEach(({ target: code }) => {
  if (code.matches("pre > code") && code.tabIndex < 0) code.tabIndex = 0;
})).observe(document.body, { subtree: true, attributeFilter: ["tabindex"] });

// A click on a figure shows its file as large as the window, or larger: the scheme that is shown, drawn wide.
const large = Object.assign(document.createElement("dialog"), { className: "ug-large" });
large.innerHTML = '<button aria-label="Close">✕</button><img alt="">';
large.onclick = () => large.close();
document.addEventListener("click", ({ target }) => {
  const frame = target.closest?.(".ug-frame");
  if (!frame) return;
  const [light] = frame.closest("figure").querySelectorAll("a[href$='wide-light.svg']");
  const dark = document.body.dataset.mdColorScheme === "slate";
  const shown = large.querySelector("img");
  shown.src = dark ? light.href.replace("wide-light", "wide-dark") : light.href;
  shown.alt = frame.ariaLabel;
  document.body.append(large);
  large.showModal();
});
