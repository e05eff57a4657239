namespace Matrix.ToDevice.Tool;

/// <summary>
/// An export: a line that says what it is, entries, and an end with their counts and a checksum (docs/decisions/029). An entry is a letter
/// and its fields: numbers of 8 bytes, times as microseconds of Unix time, texts and contents behind their length. What many entries share,
/// a device or a destination, stands once before them.
/// </summary>
internal static class ExportFormat
{
    public const string FirstLine = "matrix-to-device export 1\n";
    public const string AnyFirstLine = "matrix-to-device export ";

    public const byte Device = (byte)'D', Inbox = (byte)'I', Message = (byte)'M', RecordsOf = (byte)'S', Record = (byte)'T';
    public const byte Destination = (byte)'L', OutboxOf = (byte)'O', Edu = (byte)'E', End = (byte)'Z';

    /// <summary>In the place of a time that is not known.</summary>
    public const long NoTime = long.MinValue;

    /// <summary>In the place of a length: there is no text.</summary>
    public const uint NoText = uint.MaxValue;

    /// <summary>No text or content is that long: a length that is was damaged.</summary>
    public const uint MaxBytes = 256 << 20;

    public const int KeyBytes = 16;

    /// <summary>No number is counted so far: a store that went on from a larger one would come to its last.</summary>
    public const long MaxNumber = 1L << 60;

    public static long Microseconds(DateTimeOffset? time) => time is { } known ? (known - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond : NoTime;

    public static DateTimeOffset Time(long microseconds) => DateTimeOffset.UnixEpoch.AddTicks(checked(microseconds * TimeSpan.TicksPerMicrosecond));
}
