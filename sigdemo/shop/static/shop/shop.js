// Adds up the order while it is filled in. The price that counts is the database's, on the server.
"use strict";

const form = document.querySelector(".order-form");
const sum = form.querySelector("[data-sum]");
const amount = form.querySelector("[data-sum-amount]");
const quantities = [...form.querySelectorAll("input[data-price]")];
const euros = new Intl.NumberFormat("en-IE", { style: "currency", currency: "EUR" });

function cents(input) {
  const pieces = Number(input.value);
  const valid = Number.isInteger(pieces) && pieces > 0 && pieces <= 99;
  return valid ? pieces * Math.round(Number(input.dataset.price) * 100) : 0;
}

function addUp() {
  amount.textContent = euros.format(quantities.reduce((total, input) => total + cents(input), 0) / 100);
}

form.addEventListener("input", addUp);
sum.hidden = false;
addUp();

document.querySelector("#problems")?.focus();
