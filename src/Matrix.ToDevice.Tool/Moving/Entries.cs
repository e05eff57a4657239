namespace Matrix.ToDevice.Tool;

/// <summary>
/// A user ID or device ID as a store has it. PostgreSQL keeps the fingerprint of one that is too long for its index, from which nobody
/// can tell the text.
/// </summary>
internal readonly record struct StoredName(string Text, bool IsFingerprint)
{
    private const string FingerprintMark = "\u0001#";

    public static StoredName OfKey(string key) => key.StartsWith(FingerprintMark, StringComparison.Ordinal)
        ? new StoredName(key[FingerprintMark.Length..], true) : new StoredName(PostgreSqlText.Unescape(key), false);

    public string Key => IsFingerprint ? FingerprintMark + Text : PostgreSqlText.Key(Text);

    public override string ToString() => IsFingerprint ? $"(fingerprint {Text})" : Text;
}

internal readonly record struct StoredDevice(StoredName User, StoredName Device)
{
    public override string ToString() => $"{User} {Device}";
}

/// <param name="LastSequence">The number of the newest message that ever was in the inbox.</param>
/// <param name="Acknowledged">Up to which number all are gone.</param>
internal readonly record struct DeviceEntry(StoredDevice Device, long LastSequence, long Acknowledged);

internal readonly record struct MessageEntry(
    StoredDevice Device, long Sequence, long SendId, string Sender, string EventType, byte[] Content, DateTimeOffset? CommittedAt);

/// <summary>Whose a transaction record is.</summary>
internal enum RecordOwner { Device, NoDevice, OtherServer }

/// <param name="Owner">Whose it is.</param>
/// <param name="User">The user or server. SQLite does not know it where there is no device: it is in the key.</param>
/// <param name="Device">The device; nothing where there is none.</param>
/// <param name="Key">The fingerprint of the transaction key, 16 bytes.</param>
/// <param name="LastUsed">When it was used last.</param>
internal readonly record struct RecordEntry(RecordOwner Owner, StoredName? User, StoredName? Device, byte[] Key, DateTimeOffset LastUsed);

/// <param name="Destination">A server name, or an appservice's place.</param>
/// <param name="SendingUpTo">The position of the last EDU of the transaction that was tried last (R84).</param>
/// <param name="Failures">How often it has failed in a row.</param>
/// <param name="FreeAt">Until when it is left alone.</param>
internal readonly record struct DestinationEntry(string Destination, long SendingUpTo, int Failures, DateTimeOffset FreeAt);

internal readonly record struct EduEntry(string Destination, long Position, string MessageId, byte[] Content, DateTimeOffset CommittedAt);
