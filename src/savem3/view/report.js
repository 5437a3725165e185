"use strict";
const viewer = document.getElementById("viewer");
const position = document.getElementById("position");
const opacity = document.getElementById("opacity");
const sections = [...viewer.querySelectorAll(".section")];

function chosen(name) {
  return document.querySelector(`input[name="${name}"]:checked`).value;
}

function show() {
  const current = Number(position.value);
  const below = chosen("below"), above = chosen("above");
  sections.forEach((section, index) => {
    for (const layer of section.querySelectorAll(".layer")) {
      const name = layer.dataset.layer;
      layer.classList.toggle("on", index === current && (name === below || name === above));
      layer.style.opacity = name === above ? opacity.value / 100 : 1;
    }
  });
  document.getElementById("position-text").value = `z = ${sections[current].dataset.z}`;
  document.getElementById("opacity-text").value = `${opacity.value} %`;
}

function step(event) {
  if (event.target.matches("input")) return;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  position.value = Number(position.value) + by;
  show();
}

for (const input of document.querySelectorAll(".controls input")) input.addEventListener("input", show);
document.addEventListener("keydown", step);
show();
