// Keeps a page that says so fresh: asks again while it is looked at, and changes what differs, in place.
"use strict";
(() => {
  const main = document.getElementById("main");
  const stream = document.getElementById("stream");
  let failures = 0;

  const busy = () => {
    const at = document.activeElement;
    return at && main.contains(at) && /^(INPUT|TEXTAREA|SELECT)$/.test(at.tagName);
  };

  // What a reader opened stays open, and the place where he reads stays where it is.
  const replace = (fresh) => {
    const open = new Set([...main.querySelectorAll("details[open] > summary")].map((each) => each.textContent));
    const scrolled = [...main.querySelectorAll(".picture")].map((each) => [each.scrollTop, each.scrollLeft]);
    main.replaceChildren(...fresh.childNodes);
    main.querySelectorAll(".picture").forEach((each, at) => {
      if (scrolled[at]) [each.scrollTop, each.scrollLeft] = scrolled[at];
    });
    for (const summary of main.querySelectorAll("details > summary")) {
      if (open.has(summary.textContent)) summary.parentElement.open = true;
    }
  };

  const look = async () => {
    let wait = Number(main.dataset.live);
    if (document.visibilityState === "visible" && !busy()) {
      try {
        const answer = await fetch(location.href);
        if (answer.status === 200 && !answer.redirected) {
          const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
          if (fresh && !busy()) {
            replace(fresh);
            if (!fresh.dataset.live) return;
          }
        }
        failures = 0;
        stream.textContent = "";
      } catch {
        failures += 1;
        wait = Math.min(30000, wait * 2 ** failures);
        stream.textContent = `No answer from the engine; the next try is in ${Math.round(wait / 1000)} s.`;
      }
    }
    setTimeout(look, wait);
  };

  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || busy()) return;
    const field = document.querySelector("[data-key='/']");
    if (field && document.activeElement !== field) {
      event.preventDefault();
      field.focus();
    }
  });
  if (main && main.dataset.live) setTimeout(look, Number(main.dataset.live));
})();
