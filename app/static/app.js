// What HTML cannot do by itself: copying, a drop zone, tabs, opening every advanced part at once, and letting hidden
// pages rest, and keeping the focus.

function copying() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    await navigator.clipboard.writeText(button.parentElement.querySelector("code").textContent);
    const label = button.querySelector("span");
    label.textContent = "Copied";
    setTimeout(() => { label.textContent = "Copy"; }, 1500);
  });
}

function dropping() {
  for (const zone of document.querySelectorAll("[data-drop]")) {
    const input = zone.querySelector("input[type=file]");
    const over = (event) => { event.preventDefault(); zone.classList.add("over"); };
    zone.addEventListener("dragenter", over);
    zone.addEventListener("dragover", over);
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", (event) => {
      event.preventDefault();
      zone.classList.remove("over");
      if (event.dataTransfer.files.length) input.files = event.dataTransfer.files;
    });
  }
}

function tabs() {
  for (const list of document.querySelectorAll("[data-tabs]")) {
    const links = [...list.querySelectorAll("a")];
    const panels = links.map((link) => document.getElementById(link.hash.slice(1)));
    const choose = () => {
      const wanted = Math.max(0, links.findIndex((link) => link.hash === location.hash));
      links.forEach((link, place) => {
        if (place === wanted) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
        panels[place].hidden = place !== wanted;
        panels[place].querySelector("h2").classList.add("visually-hidden");
      });
    };
    list.addEventListener("click", (event) => {
      const link = event.target.closest("a");
      if (!link) return;
      event.preventDefault();
      history.replaceState(null, "", link.hash);
      choose();
    });
    addEventListener("hashchange", choose);
    choose();
  }
}

function advanced() {
  const parts = () => document.querySelectorAll("details.advanced");
  document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-view]")) return;
    for (const part of parts()) part.open = event.target.value === "advanced";
  });
  const count = (part) => {
    const place = part.querySelector("[data-changed-count]");
    if (!place) return;
    const inputs = [...part.querySelectorAll("[data-default]")];
    const changed = inputs.filter((input) => valueOf(input) !== input.dataset.default).length;
    const words = changed === 1 ? "1 differs from the default" : `${changed} differ from the default`;
    place.textContent = changed ? words : "";
  };
  document.addEventListener("input", (event) => {
    const part = event.target.closest("details.advanced");
    if (part) count(part);
  });
  document.addEventListener("htmx:after:swap", () => { for (const part of parts()) count(part); });
}

function valueOf(input) {
  return input.type === "checkbox" ? String(input.checked) : input.value;
}

function resting() {
  document.addEventListener("htmx:before:request", (event) => {
    if (document.hidden && event.target.matches?.("[data-while-visible]")) event.preventDefault();
  });
}

// htmx gives focus back after each swap, but two at once, of a click's answer and of live news, can lose it between them.
function focusing() {
  let last = "";
  document.addEventListener("focusin", (event) => { last = event.target.id; });
  document.addEventListener("pointerdown", () => { last = ""; });
  document.addEventListener("htmx:after:swap", () => {
    if (last && document.activeElement === document.body) document.getElementById(last)?.focus({ preventScroll: true });
  });
}

copying();
focusing();
resting();
dropping();
tabs();
advanced();
document.querySelector("[aria-invalid=true]")?.focus();
