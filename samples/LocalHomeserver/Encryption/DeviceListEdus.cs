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

    public string EduType => eduType;

    public async ValueTask ReceiveAsync(string origin, ReadOnlyMemory<byte> json, CancellationToken cancellationToken)
    {
        var content = JsonElement.Parse(json.Span);
        // Nobody may speak for the users of another server.
        if (KeyJson.Text(content, "user_id") is { } userId && UserIds.ServerNameOf(userId) == origin)
            await lists.ChangeAsync(userId, KeyJson.Text(content, "device_id") ?? "", cancellationToken);
    }
}
