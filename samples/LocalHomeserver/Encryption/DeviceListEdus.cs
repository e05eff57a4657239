using System.Text.Json;

namespace LocalHomeserver;

/// <summary>
/// What other servers say about their users' devices and cross-signing keys. Only that something has changed is kept: whoever wants
/// to know what asks that server.
/// </summary>
internal sealed class DeviceListEdus(string eduType, DeviceLists lists) : IEduHandler
{
    public const string DeviceList = "m.device_list_update";
    public const string SigningKey = "m.signing_key_update";

    // Deeper than anything that servers say about keys; an EDU that nests deeper is passed over.
    private const int MaxDepth = 512;

    public string EduType => eduType;

    public async ValueTask ReceiveAsync(string origin, ReadOnlyMemory<byte> json, CancellationToken cancellationToken)
    {
        // What else is in it does not matter here, and may be anything.
        var members = PeerJson.Members(JsonElement.Parse(json.Span, new JsonDocumentOptions { MaxDepth = MaxDepth }));
        if (PeerJson.Text(members.GetValueOrDefault("user_id")) is not { } userId || !Identifiers.IsUserId(userId)) return;

        // Nobody may speak for the users of another server.
        if (UserIds.ServerNameOf(userId) != origin) return;

        // Only one of the two types names a device.
        var deviceId = members.TryGetValue("device_id", out var device) ? PeerJson.Text(device) : "";
        if (deviceId is "" || (deviceId is not null && Identifiers.IsDeviceId(deviceId))) await lists.ChangeAsync(userId, deviceId, cancellationToken);
    }
}
