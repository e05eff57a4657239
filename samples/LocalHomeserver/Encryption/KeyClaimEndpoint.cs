using System.Text.Json;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary><c>POST keys/claim</c>.</summary>
internal static class KeyClaimEndpoint
{
    public static void MapKeyClaim(this IEndpointRouteBuilder client) => client.MapPost("/keys/claim", ClaimAsync);

    /// <summary>Claims from devices of this server.</summary>
    public static async ValueTask<Dictionary<string, Dictionary<string, Dictionary<string, JsonElement>>>> ClaimLocalAsync(
        Dictionary<string, Dictionary<string, string>> wanted,
        IReadOnlyList<string> userIds,
        DeviceKeys keys,
        IAccountStore accounts,
        CancellationToken cancellationToken)
    {
        var claimed = new Dictionary<string, Dictionary<string, Dictionary<string, JsonElement>>>();
        if (userIds.Count == 0) return claimed;

        // A device that has ended has no keys any more, even when they are still there for a moment.
        var deviceIds = await accounts.FindDeviceIdsAsync(userIds, cancellationToken);
        var questions = userIds
            .SelectMany(userId => wanted[userId]
                .Select(device => (Device: new DeviceAddress(userId, device.Key), Algorithm: device.Value)))
            .Where(question => deviceIds.Has(question.Device))
            .ToList();
        if (questions.Count == 0) return claimed;

        var answers = await keys.ClaimAsync(questions, cancellationToken);
        for (var i = 0; i < questions.Count; i++)
        {
            if (answers[i] is not { } key) continue;
            var (userId, deviceId) = questions[i].Device;
            if (!claimed.TryGetValue(userId, out var devices)) claimed[userId] = devices = [];
            devices[deviceId] = new() { [key.Name] = JsonElement.Parse(key.Key) };
        }

        return claimed;
    }

    private static async Task<KeyClaimResponse> ClaimAsync(
        Caller _, Body<KeyClaimRequest> body, DeviceKeys keys, IAccountStore accounts, RemoteKeys remote, CancellationToken cancellationToken)
    {
        var request = body.Value;
        var wanted = request.Wanted();
        var byServer = remote.ByServer(wanted.Keys);
        var response = new KeyClaimResponse(await ClaimLocalAsync(wanted, byServer.Local, keys, accounts, cancellationToken), []);
        await remote.ClaimAsync(byServer.Remote, wanted, request.Timeout, response, cancellationToken);
        return response;
    }
}

/// <param name="OneTimeKeys">The users, their devices, and the algorithm of the key.</param>
/// <param name="Timeout">How long to wait for other servers, in milliseconds.</param>
internal sealed record KeyClaimRequest(Dictionary<string, Dictionary<string, string>>? OneTimeKeys, long? Timeout)
{
    public Dictionary<string, Dictionary<string, string>> Wanted()
    {
        var wanted = OneTimeKeys ?? throw Errors.MissingParam("one_time_keys");
        return wanted.Values.Any(devices => devices is null || devices.ContainsValue(null!)) ? throw Errors.BadJson() : wanted;
    }
}

internal sealed record KeyClaimResponse(
    Dictionary<string, Dictionary<string, Dictionary<string, JsonElement>>> OneTimeKeys, Dictionary<string, KeyFailure>? Failures);
