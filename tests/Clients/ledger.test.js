// The judge of the storm, judged.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Ledger } from "./support/ledger.js";

const clean = { delivered: 3, duplicates: 0, lost: 0, misdirected: 0, outOfOrder: 0 };

test("A stream that arrived as it was sent is clean", () => {
  assert.deepEqual(judge([1, 2, 3]), clean);
});

test("A message that arrives again is a duplicate", () => {
  assert.deepEqual(judge([1, 2, 3, 2]), { ...clean, duplicates: 1 });
});

test("A message that never arrives is lost", () => {
  assert.deepEqual(judge([1, 3]), { ...clean, delivered: 2, lost: 1 });
});

test("A message behind a later one is out of order", () => {
  assert.deepEqual(judge([2, 1, 3]), { ...clean, outOfOrder: 1 });
});

test("A message at a device that it was not sent to is misdirected", () => {
  assert.deepEqual(judge([1, 2, 3, 4]), { ...clean, misdirected: 1 });
});

test("Streams are judged apart from each other", () => {
  const ledger = new Ledger();
  ledger.sent("one", 1, ["A", "B"]);
  ledger.sent("two", 2, ["A"]);
  ledger.received("A", "two", 2);
  ledger.received("A", "one", 1);
  assert.deepEqual(ledger.report(), { ...clean, delivered: 2, lost: 1 });
});

function judge(arrivals) {
  const ledger = new Ledger();
  for (const number of [1, 2, 3]) ledger.sent("stream", number, ["A"]);
  for (const number of arrivals) ledger.received("A", "stream", number);
  return ledger.report();
}
