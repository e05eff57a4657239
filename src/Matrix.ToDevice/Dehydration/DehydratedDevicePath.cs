using Microsoft.AspNetCore.Http;

namespace Matrix.ToDevice;

/// <summary>The device ID in the path of a request for events, read from the request line as <see cref="SendPath"/> reads its own.</summary>
internal static class DehydratedDevicePath
{
    /// <summary>What stands before the device ID. There is no other version yet (R110).</summary>
    public const string RoutePrefix = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device/";

    private const string Suffix = "/events";

    /// <summary>The device ID, still encoded. False when the path is not exactly the endpoint's.</summary>
    public static bool TryRead(HttpContext context, out ReadOnlyMemory<char> deviceId)
    {
        var path = SendPath.RawPath(context);
        deviceId = default;
        if (!path.Span.EndsWith(Suffix, StringComparison.Ordinal)) return false;

        path = path[..^Suffix.Length];
        var start = path.Span.LastIndexOf('/') + 1;
        deviceId = path[start..];
        return !deviceId.IsEmpty && path.Span[..start].EndsWith(RoutePrefix, StringComparison.Ordinal);
    }
}
