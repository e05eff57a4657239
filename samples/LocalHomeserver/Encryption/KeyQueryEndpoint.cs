using System.Text.Json.Nodes;

namespace LocalHomeserver;

/// <summary><c>POST keys/query</c>.</summary>
internal static class KeyQueryEndpoint
{
    public static void MapKeyQuery(this IEndpointRouteBuilder client) => client.MapPost("/keys/query", QueryAsync);

    private static async Task<KeyQueryResponse> QueryAsync(
        Caller caller, Body<KeyQueryRequest> body, KeyChanges changes, IAccountStore accounts, RemoteKeys remote, Contacts contacts,
        CancellationToken cancellationToken)
    {
        var request = body.Value;
        var users = request.Users();
        var byServer = remote.ByServer(users.Keys);

        // Before the answer: what changes after it is told. Who does not exist is not remembered.
        var deviceIds = await accounts.FindDeviceIdsAsync(byServer.Local, cancellationToken);
        await contacts.AddAsync(caller.UserId, byServer.Local.Where(deviceIds.HasAny), cancellationToken);

        var response = KeyQueryResponse.Empty();
        foreach (var userId in byServer.Local)
        {
            var keys = await UserKeys.FindAsync(changes, accounts, userId, caller.UserId, cancellationToken);
            response.Add(userId, keys, users[userId]);
        }

        await remote.QueryAsync(byServer.Remote, users, request.Timeout, caller.UserId, response, cancellationToken);
        var known = byServer.Remote.SelectMany(server => server.Value).Where(response.Knows);
        await contacts.AddAsync(caller.UserId, known, cancellationToken);
        return response;
    }
}

/// <param name="DeviceKeys">The users, and which of their devices; all of them where none is named.</param>
/// <param name="Timeout">How long to wait for other servers, in milliseconds.</param>
internal sealed record KeyQueryRequest(Dictionary<string, string[]>? DeviceKeys, long? Timeout)
{
    public Dictionary<string, string[]> Users()
    {
        var users = DeviceKeys ?? throw Errors.MissingParam("device_keys");
        return users.Values.Any(deviceIds => deviceIds is null || deviceIds.Contains(null)) ? throw Errors.BadJson() : users;
    }
}

internal sealed record KeyQueryResponse(
    Dictionary<string, Dictionary<string, JsonObject>> DeviceKeys,
    Dictionary<string, JsonObject> MasterKeys,
    Dictionary<string, JsonObject> SelfSigningKeys,
    Dictionary<string, JsonObject>? UserSigningKeys,
    Dictionary<string, KeyFailure>? Failures)
{
    /// <summary>For a client. Other servers get no user-signing keys, and ask everybody themselves.</summary>
    public static KeyQueryResponse Empty() => new([], [], [], [], []);

    public bool Knows(string userId) => MasterKeys.ContainsKey(userId) || DeviceKeys.GetValueOrDefault(userId)?.Count > 0;

    public void Add(string userId, UserKeys keys, IReadOnlyCollection<string> deviceIds)
    {
        DeviceKeys[userId] = keys.Devices
            .Where(device => deviceIds.Count == 0 || deviceIds.Contains(device.Key))
            .ToDictionary(device => device.Key, device => device.Value);
        if (keys.MasterKey is not null) MasterKeys[userId] = keys.MasterKey;
        if (keys.SelfSigningKey is not null) SelfSigningKeys[userId] = keys.SelfSigningKey;
        if (keys.UserSigningKey is not null) UserSigningKeys![userId] = keys.UserSigningKey;
    }
}

/// <summary>Why there is nothing of a server's users.</summary>
internal sealed record KeyFailure(string Errcode, string Error);
