using System.Text;

namespace LocalHomeserver;

/// <summary>Identifiers that others make up, before they are stored and shown to clients.</summary>
internal static class Identifiers
{
    /// <summary>The longest identifier that Matrix has, in bytes.</summary>
    public const int MaxBytes = 255;

    /// <summary>In a to-device message this is every device of a user: so it is the ID of none.</summary>
    public const string EveryDevice = "*";

    /// <summary>
    /// Whether it is of the form of a user ID. Localparts may have more characters than new ones of this server, for there are
    /// historical ones (specification, appendices); but no NUL and nothing else that no screen shows.
    /// </summary>
    public static bool IsUserId(string text) => UserIds.ServerNameOf(text) is { Length: > 0 } && IsShort(text);

    /// <summary>Whether it could be a device ID of another server: the specification gives those no grammar.</summary>
    public static bool IsDeviceId(string text) => text.Length > 0 && text != EveryDevice && IsShort(text);

    private static bool IsShort(string text) =>
        text.Length <= MaxBytes && Encoding.UTF8.GetByteCount(text) <= MaxBytes && !text.Any(char.IsControl);
}
