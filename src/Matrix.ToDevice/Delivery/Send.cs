namespace Matrix.ToDevice;

/// <summary>What all messages of one send have in common (R23).</summary>
internal readonly record struct Send(string Sender, string EventType, long Id);
