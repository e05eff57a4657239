using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// Tells each other server when it has to ask for a user's keys again, until it has taken that: the database keeps up to where a
/// server has been told. Of a list that changed several times meanwhile it gets the last change, whose <c>prev_id</c> it does not
/// know. Hosts on one database may tell it twice, which does no harm.
/// </summary>
internal sealed partial class DeviceListSender(
    KeyChanges changes, DeviceLists lists, Contacts contacts, IAccountStore accounts, FederationClient federation, Settings settings,
    TimeProvider clock, ILogger<DeviceListSender> logger) : BackgroundService
{
    // A change makes two EDUs at most, and a transaction has a hundred (R83).
    private const int MaxChanges = 50;

    private static readonly TimeSpan s_minPause = TimeSpan.FromSeconds(1);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(settings.Peers.Keys.Select(serverName => SendAllAsync(serverName, stoppingToken)));

    private async Task SendAllAsync(string serverName, CancellationToken stoppingToken)
    {
        var pause = s_minPause;
        var limit = MaxChanges;
        while (true)
        {
            var next = changes.Next;
            try
            {
                while (await SendSomeAsync(serverName, limit, stoppingToken)) (pause, limit) = (s_minPause, Math.Min(2 * limit, MaxChanges));
                await next.WaitAsync(stoppingToken);
            }
            catch (FederationException) when (stoppingToken.IsCancellationRequested)
            {
                // The way to it has gone before this has.
                stoppingToken.ThrowIfCancellationRequested();
            }
            catch (FederationException e) when (IsRefusal(e) && limit > 1)
            {
                // One of them it does not take: the others are not to wait for that, and not to go with it.
                LogFailed(logger, serverName, e.Message);
                limit /= 2;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                LogFailed(logger, serverName, e.Message);
                if (pause > settings.MaxPause) pause = settings.MaxPause;
                await Task.Delay(pause, clock, stoppingToken);
                pause *= 2;
            }
        }
    }

    /// <summary>False when there was nothing to tell.</summary>
    private async Task<bool> SendSomeAsync(string serverName, int limit, CancellationToken cancellationToken)
    {
        var news = await lists.FindNewsAsync(serverName, limit, cancellationToken);
        if (news.Count == 0) return false;

        var edus = new JsonArray();
        foreach (var change in news)
        {
            if (UserIds.ServerNameOf(change.UserId) != settings.ServerName) continue;
            var known = await contacts.FindAsync(change.UserId, cancellationToken);
            if (known.Exists(userId => UserIds.ServerNameOf(userId) == serverName)) await AddEdusAsync(edus, change, cancellationToken);
        }

        // Who has no keys, and has had none, has nothing to tell.
        try
        {
            if (edus.Count > 0) await SendAsync(serverName, edus, cancellationToken);
        }
        catch (FederationException e) when (IsRefusal(e) && limit == 1)
        {
            // It would refuse that again, and everything behind it would wait for ever.
            LogFailed(logger, serverName, e.Message);
        }

        await lists.RememberToldAsync(serverName, news[^1].Version, cancellationToken);
        return true;
    }

    private async Task SendAsync(string serverName, JsonArray edus, CancellationToken cancellationToken)
    {
        var transaction = new JsonObject
        {
            ["origin"] = settings.ServerName,
            ["origin_server_ts"] = clock.GetUtcNow().ToUnixTimeMilliseconds(),
            ["pdus"] = new JsonArray(),
            ["edus"] = edus,
        };
        await federation.SendTransactionAsync(
            serverName, RandomNumberGenerator.GetHexString(16), CanonicalJson.Encode(Encoding.UTF8.GetBytes(transaction.ToJsonString())),
            cancellationToken);
    }

    private static bool IsRefusal(FederationException exception) => exception.StatusCode is 400 or 413;

    private async Task AddEdusAsync(JsonArray edus, ListChange change, CancellationToken cancellationToken)
    {
        var keys = await UserKeys.FindAsync(changes, accounts, change.UserId, asker: null, cancellationToken);
        if (keys.MasterKey is not null)
        {
            var content = new JsonObject { ["user_id"] = change.UserId, ["master_key"] = keys.MasterKey };
            if (keys.SelfSigningKey is not null) content["self_signing_key"] = keys.SelfSigningKey;
            edus.Add((JsonNode)new JsonObject { ["edu_type"] = DeviceListEdus.SigningKey, ["content"] = content });
        }

        if (await DeviceAsync(change, keys, cancellationToken) is { } device)
            edus.Add((JsonNode)new JsonObject { ["edu_type"] = DeviceListEdus.DeviceList, ["content"] = device });
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

    [LoggerMessage(6, LogLevel.Information, "{ServerName} was not told about a change of devices: {Reason}")]
    private static partial void LogFailed(ILogger logger, string serverName, string reason);
}
