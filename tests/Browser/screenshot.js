// Takes the picture of the page that README shows: npm run screenshot. Better with the package fonts-noto-color-emoji.
import { fileURLToPath } from "node:url";
import { startHomeserver } from "../Clients/support/homeserver.js";
import { startBrowser } from "./support/browser.js";
import { Trial } from "./support/trial.js";

const homeserver = await startHomeserver({ ServerName: "localhost" });
const browser = await startBrowser();
try {
  const trial = new Trial(await browser.open(homeserver.url, { width: 1200, colorScheme: "light" }));
  const [phone, laptop] = await trial.begin("One user, two devices");
  await laptop.send("Hello from the laptop");
  await phone.receivedUntil("Hello from the laptop");
  await phone.flip("Lose the next answer");
  await phone.send("Is this delivered once?");
  await phone.outcome("loseAnswer", "Delivered to LAPTOP once.");
  await laptop.flip("Send the next one twice");
  await laptop.send("And this?");
  await laptop.outcome("duplicate", "Delivered to PHONE once.");
  await phone.button("Verify").click();
  await laptop.button("Accept").click();
  for (const device of [phone, laptop]) await device.emoji();
  const path = fileURLToPath(new URL("../../docs/page.png", import.meta.url));
  const { y, height } = await trial.page.locator("#devices").boundingBox();
  await trial.page.screenshot({ path, clip: { x: 0, y: 0, width: 1200, height: y + height + 12 }, fullPage: true });
} finally {
  await browser.stop();
  await homeserver.stop();
}
