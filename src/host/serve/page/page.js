// SPDX-License-Identifier: Apache-2.0
// Keeps the page as the server would show it now, touching only what differs: focus, selection and scrolling stay.
// Without this script the page is loaded again every five seconds.
"use strict";

const PAUSE = 2000;
const lost = document.getElementById("lost");
const field = document.getElementById("q");
let timer;

// Makes `old` what `fresh` is. Elements with an id are the same ones wherever they stand.
function sync(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  const known = new Map([...old.children].filter((child) => child.id).map((child) => [child.id, child]));
  let place = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    let child = wanted.id ? known.get(wanted.id) : place;
    const fits = child && child.nodeName === wanted.nodeName && (child.id ?? "") === (wanted.id ?? "");
    if (fits) sync(child, wanted);
    else child = document.importNode(wanted, true);
    if (child === place) place = place.nextSibling;
    else old.insertBefore(child, place);
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

async function refresh() {
  clearTimeout(timer);
  try {
    const answer = await fetch(location.href, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["counts", "shown", "guests", "facts", "paths", "recent", "now"]) {
      const [old, now] = [document.getElementById(id), fresh.getElementById(id)];
      if (old && now) sync(old, now);
    }
    lost.textContent = "";
  } catch {
    lost.textContent = "The server does not answer; this is what it said last.";
  }
  schedule(PAUSE);
}

function schedule(pause) {
  clearTimeout(timer);
  timer = setTimeout(() => (document.hidden ? schedule(PAUSE) : refresh()), pause);
}

field?.addEventListener("input", () => {
  const here = new URL(location.href);
  here.searchParams.set("q", field.value);
  history.replaceState(null, "", here);
  schedule(150);
});
document.addEventListener("visibilitychange", () => document.hidden || refresh());
schedule(PAUSE);
