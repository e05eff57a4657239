using System.Buffers;
using System.Text;

namespace Matrix.ToDevice;

/// <summary>What the module needs to know of a user ID's grammar (specification, appendices).</summary>
internal static class MatrixUserId
{
    private const int MaxBytes = 255;

    private static readonly SearchValues<char> s_hostName =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.");
    private static readonly SearchValues<char> s_ipv6 = SearchValues.Create("0123456789abcdefABCDEF:.");

    /// <summary>
    /// Whether the text could be a user ID. Local parts are not looked at: there are historical ones with any character,
    /// and the directory knows its users.
    /// </summary>
    public static bool IsPlausible(string userId) =>
        userId.StartsWith('@') && userId.Contains(':') && Encoding.UTF8.GetByteCount(userId) <= MaxBytes;

    /// <summary>The part behind the first colon. False when it is not a valid server name (D16).</summary>
    public static bool TryGetServerName(string userId, out string serverName)
    {
        serverName = ServerNameOf(userId).ToString();
        return IsServerName(serverName);
    }

    /// <summary>The part behind the first colon, whatever it is.</summary>
    public static ReadOnlySpan<char> ServerNameOf(string userId) => userId.AsSpan(userId.IndexOf(':', StringComparison.Ordinal) + 1);

    /// <summary>A host name, an IPv4 address or an IPv6 address in brackets; then perhaps a port.</summary>
    public static bool IsServerName(ReadOnlySpan<char> name)
    {
        ReadOnlySpan<char> port;
        if (name.StartsWith('['))
        {
            var end = name.IndexOf(']');
            if (end < 3 || end > 46 || name[1..end].ContainsAnyExcept(s_ipv6)) return false;
            port = name[(end + 1)..];
        }
        else
        {
            var colon = name.IndexOf(':');
            var host = colon < 0 ? name : name[..colon];
            if (host.IsEmpty || host.ContainsAnyExcept(s_hostName)) return false;
            port = name[host.Length..];
        }

        return port.IsEmpty || (port is [':', _, ..] && port.Length <= 6 && !port[1..].ContainsAnyExceptInRange('0', '9'));
    }
}
