// Keeps the inbox live: cards arrive over SSE, forms of a card are sent without leaving the page.
"use strict";

const cards = document.getElementById("cards");
const line = document.querySelector(".status");
const waiting = new Map();

function say(state, text) {
  line.className = "status " + state;
  line.lastElementChild.textContent = text;
}

function isBusy(card) {
  return card.contains(document.activeElement) && document.activeElement.matches("select, summary");
}

function put(phone, html) {
  const old = document.getElementById("p" + phone);
  if (old && isBusy(old)) {
    waiting.set(phone, html);
    return;
  }
  waiting.delete(phone);
  const holder = document.createElement("template");
  holder.innerHTML = html;
  const card = holder.content.firstElementChild;
  if (!old) {
    cards.prepend(card);
    say("on", line.dataset.new + " " + card.querySelector("h2").textContent);
    setTimeout(() => say("on", line.dataset.live), 3000);
  } else {
    const details = old.querySelector("details");
    card.querySelector("details").open = details.open;
    old.replaceWith(card);
  }
  card.classList.add("fresh");
  setTimeout(() => card.classList.remove("fresh"), 1500);
}

if (cards) {
  const source = new EventSource(cards.dataset.stream);
  source.onopen = () => say("on", line.dataset.live);
  source.onerror = () => say("off", line.dataset.lost);
  source.addEventListener("card", (event) => {
    const told = JSON.parse(event.data);
    put(told.phone, told.html);
  });
  cards.addEventListener("focusout", () => {
    setTimeout(() => waiting.forEach((html, phone) => put(phone, html)), 0);
  });
  cards.addEventListener("submit", (event) => {
    const form = event.target;
    if (!("quiet" in form.dataset)) return;
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form));
    document.activeElement.blur();
    fetch(form.action, { method: "POST", body, redirect: "manual" }).then((answer) => {
      if (answer.status === 403) location.reload();
    });
  });
}
