using System.Globalization;

namespace LocalHomeserver;

/// <summary>
/// This server's <c>next_batch</c>: the library's token, a point, and the position of the last change of keys that the client
/// has been told about.
/// </summary>
internal sealed record SyncToken(string ToDevice, long Keys)
{
    private const char Separator = '.';

    public static SyncToken Parse(string text, string parameter)
    {
        // Without a point it is from a time before there were keys: everything about them is new to that client.
        var end = text.LastIndexOf(Separator);
        if (end < 0) return new SyncToken(text, 0);
        return long.TryParse(text.AsSpan(end + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var keys)
            ? new SyncToken(text[..end], keys)
            : throw Errors.InvalidParam(parameter, "a token of this server");
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{ToDevice}{Separator}{Keys}");
}
