// Two people compare seven emoji (SAS). Each of the two devices has one of these.
import { Changes } from "./changes.js";
import { VerificationPhase, VerificationRequestEvent, VerifierEvent } from "./sdk.js";

export class Verification extends Changes {
  emoji;
  #confirmed = false;
  #verifier;
  #sas;

  constructor(request) {
    super();
    this.request = request;
    request.on(VerificationRequestEvent.Change, () => this.#proceed());
  }

  get other() {
    return { userId: this.request.otherUserId, deviceId: this.request.otherDeviceId };
  }

  // asked, waiting, comparing, confirmed, done, cancelled
  get step() {
    const { phase, initiatedByMe } = this.request;
    if (phase === VerificationPhase.Done) return "done";
    if (phase === VerificationPhase.Cancelled) return "cancelled";
    if (this.#confirmed) return "confirmed";
    if (this.emoji) return "comparing";
    return phase === VerificationPhase.Requested && !initiatedByMe && !this.request.accepting ? "asked" : "waiting";
  }

  accept() {
    return this.request.accept();
  }

  async confirm() {
    this.#confirmed = true;
    this.changed();
    await this.#sas.confirm();
  }

  mismatch() {
    this.#sas.mismatch();
  }

  cancel() {
    return this.request.cancel();
  }

  async #proceed() {
    const { request } = this;
    this.changed();
    if (request.phase === VerificationPhase.Ready && request.initiatedByMe) await request.startVerification("m.sas.v1");
    if (request.verifier && !this.#verifier) this.#follow(request.verifier);
  }

  #follow(verifier) {
    this.#verifier = verifier;
    const show = (sas) => {
      this.#sas = sas;
      this.emoji = sas.sas.emoji;
      this.changed();
    };
    verifier.on(VerifierEvent.ShowSas, show);
    const shown = verifier.getShowSasCallbacks();
    if (shown) show(shown);
    // Why it ends otherwise is in the request, and shown from there.
    verifier.verify().catch(() => {}).finally(() => this.changed());
  }
}
