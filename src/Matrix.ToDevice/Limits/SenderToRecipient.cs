namespace Matrix.ToDevice;

/// <summary>Who sends to whom: what a limiter for recipients tells apart.</summary>
/// <param name="Sender">The sender's user ID; it may be one of another server.</param>
/// <param name="Recipient">A user ID that the send names, as it was written: there may be no such user, and the answer does not tell (R28).</param>
public readonly record struct SenderToRecipient(string Sender, string Recipient);
