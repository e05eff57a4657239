using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LocalHomeserver;

/// <summary>
/// Tells other servers when their users have to ask for a user's keys again. Tried once: a server that is not there then finds out
/// at the next change, whose <c>prev_id</c> it does not know. Messages are what must not get lost, and they have the library's outbox.
/// </summary>
internal sealed partial class DeviceListSender(
    KeyChanges changes, DeviceLists lists, Contacts contacts, RemoteKeys remote, IAccountStore accounts, FederationClient federation,
    Settings settings, TimeProvider clock, ILogger<DeviceListSender> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (settings.Peers.Count == 0) return;

        await foreach (var position in changes.Made.ReadAllAsync(stoppingToken))
        {
            try
            {
                await SendAsync(position, stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(logger, e.Message);
            }
        }
    }

    private async Task SendAsync(long position, CancellationToken cancellationToken)
    {
        if (await lists.FindAsync(position, cancellationToken) is not { } change) return;
        if (remote.ByServer([change.UserId]).Local.Count == 0) return;

        var known = await contacts.FindAsync(change.UserId, cancellationToken);
        var servers = remote.ByServer(known).Remote.Keys.Where(settings.Peers.ContainsKey).ToList();
        if (servers.Count == 0) return;

        // Who has no keys, and has had none, has nothing to tell.
        var edus = await EdusAsync(change, cancellationToken);
        if (edus.Count == 0) return;
        await Task.WhenAll(servers.Select(serverName => SendAsync(serverName, edus, cancellationToken)));
    }

    private async Task SendAsync(string serverName, JsonArray edus, CancellationToken cancellationToken)
    {
        var transaction = new JsonObject
        {
            ["origin"] = settings.ServerName,
            ["origin_server_ts"] = clock.GetUtcNow().ToUnixTimeMilliseconds(),
            ["pdus"] = new JsonArray(),
            ["edus"] = edus.DeepClone(),
        };
        try
        {
            await federation.SendAsync(
                HttpMethod.Put, serverName, $"/_matrix/federation/v1/send/{RandomNumberGenerator.GetHexString(16)}",
                JsonElement.Parse(Encoding.UTF8.GetBytes(transaction.ToJsonString())), cancellationToken);
        }
        catch (FederationException e)
        {
            LogFailed(logger, e.Message);
        }
    }

    private async Task<JsonArray> EdusAsync(ListChange change, CancellationToken cancellationToken)
    {
        var keys = await UserKeys.FindAsync(changes, accounts, change.UserId, asker: null, cancellationToken);
        var edus = new JsonArray();
        if (keys.MasterKey is not null)
        {
            var content = new JsonObject { ["user_id"] = change.UserId, ["master_key"] = keys.MasterKey };
            if (keys.SelfSigningKey is not null) content["self_signing_key"] = keys.SelfSigningKey;
            edus.Add((JsonNode)new JsonObject { ["edu_type"] = DeviceListEdus.SigningKey, ["content"] = content });
        }

        if (await DeviceAsync(change, keys, cancellationToken) is { } device)
            edus.Add((JsonNode)new JsonObject { ["edu_type"] = DeviceListEdus.DeviceList, ["content"] = device });
        return edus;
    }

    private async Task<JsonObject?> DeviceAsync(ListChange change, UserKeys keys, CancellationToken cancellationToken)
    {
        if (change.DeviceId.Length == 0) return null;

        var content = new JsonObject
        {
            ["user_id"] = change.UserId,
            ["device_id"] = change.DeviceId,
            ["stream_id"] = change.Version,
            ["prev_id"] = change.Previous == 0 ? [] : new JsonArray(change.Previous),
        };
        var devices = await accounts.ListDevicesAsync(change.UserId, cancellationToken);
        if (devices.FirstOrDefault(device => device.DeviceId == change.DeviceId) is not { } device)
        {
            content["deleted"] = true;
            return content;
        }

        if (!keys.Devices.TryGetValue(change.DeviceId, out var key)) return null;
        if (device.DisplayName.Length > 0) content["device_display_name"] = device.DisplayName;
        content["keys"] = key.DeepClone();
        return content;
    }

    [LoggerMessage(6, LogLevel.Information, "Another server was not told about a change of devices: {Reason}")]
    private static partial void LogFailed(ILogger logger, string reason);
}
