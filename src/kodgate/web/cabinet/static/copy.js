// Gives each program in a `[data-copy]` section a button that copies it.
(() => {
  "use strict";
  if (!navigator.clipboard) return; // browsers have none without TLS, loopback excepted
  document.querySelectorAll("[data-copy] pre").forEach((pre) => {
    const { copy, copied } = pre.closest("[data-copy]").dataset;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain small copy";
    button.textContent = copy;
    button.setAttribute("aria-live", "polite");
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(pre.textContent);
      button.textContent = copied;
      setTimeout(() => { button.textContent = copy; }, 2000);
    });
    pre.after(button);
  });
})();
