namespace Matrix.ToDevice;

/// <summary>How a send has ended.</summary>
/// <param name="Outcome">How.</param>
/// <param name="Number">The number of the send, or of the removal.</param>
/// <param name="At">When that was, by the clock of the sender's bucket, in microseconds.</param>
/// <param name="Waits">For each intent, whether an older one waits before it.</param>
internal sealed record Accepted(Outcome Outcome, long Number, long At, bool[] Waits);
