namespace Matrix.ToDevice;

/// <summary>What a send that was accepted has still to put into another bucket.</summary>
/// <param name="Source">Whose it is, and where it belongs.</param>
/// <param name="Number">Its number, among those of its device.</param>
/// <param name="AcceptedAt">When the send was accepted, by the clock where that was, in microseconds.</param>
/// <param name="SeenAt">When the intent was seen to wait, by the same clock, in microseconds.</param>
internal readonly record struct Intent(Source Source, long Number, long AcceptedAt, long SeenAt);
