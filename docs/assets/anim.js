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
      if (o.offsetParent && Math.abs(o.currentTime - v.currentTime) > .1) o.currentTime = v.currentTime;
  };
  view.observe(v);
};
still.onchange = () => still.matches && all().forEach(v => v.pause());
(window.document$ ?? { subscribe: f => f() }).subscribe(() => all().forEach(watch));
