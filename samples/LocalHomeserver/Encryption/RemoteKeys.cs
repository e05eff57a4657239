using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>The keys of other servers' users, asked for when somebody wants them. They are not kept.</summary>
internal sealed class RemoteKeys(FederationClient federation, KeyChanges changes, Settings settings)
{
    private const int DefaultTimeout = 10_000;
    private const int MaxTimeout = 30_000;

    /// <summary>Whom to ask about these users.</summary>
    public (List<string> Local, Dictionary<string, List<string>> Remote) ByServer(IEnumerable<string> userIds)
    {
        var local = new List<string>();
        var remote = new Dictionary<string, List<string>>();
        foreach (var userId in userIds)
        {
            var serverName = UserIds.ServerNameOf(userId) ?? throw Errors.InvalidParam("user ID", "such as @alice:example.org");
            if (serverName == settings.ServerName) local.Add(userId);
            else if (remote.TryGetValue(serverName, out var users)) users.Add(userId);
            else remote.Add(serverName, [userId]);
        }

        return (local, remote);
    }

    /// <summary>Asks for identity keys and cross-signing keys.</summary>
    public async Task QueryAsync(
        Dictionary<string, List<string>> servers, Dictionary<string, string[]> deviceIds, long? timeout, string asker,
        KeyQueryResponse response, CancellationToken cancellationToken)
    {
        var answers = await AskAllAsync(
            servers,
            userIds => new KeyQueryRequest(userIds.ToDictionary(userId => userId, userId => deviceIds[userId]), null),
            MatrixJson.Default.KeyQueryRequest, "query", timeout, response.Failures!, cancellationToken);
        foreach (var (userId, answer) in answers)
        {
            var signatures = await changes.ReadAsync(statements => Signatures.FindAsync(statements, userId, asker), cancellationToken);
            var devices = Members(KeyJson.Member(answer, "device_keys"), userId)
                .Where(device => IsOf(device.Value, userId) && KeyJson.Text(device.Value, "device_id") == device.Name)
                .Select(device => (device.Name, Keys: Object(device.Value)))
                .Where(device => device.Keys is not null)
                .ToDictionary(device => device.Name, device => device.Keys!);
            var master = Key(answer, CrossSigningKey.Master, userId);
            if (master is { } key)
            {
                foreach (var signature in signatures[key.PublicKey]) signature.AddTo(key.Json);
            }

            response.Add(userId, new UserKeys(devices, master?.Json, Key(answer, CrossSigningKey.SelfSigning, userId)?.Json, null), deviceIds[userId]);
        }
    }

    /// <summary>Claims one-time keys.</summary>
    public async Task ClaimAsync(
        Dictionary<string, List<string>> servers, Dictionary<string, Dictionary<string, string>> wanted, long? timeout,
        KeyClaimResponse response, CancellationToken cancellationToken)
    {
        var answers = await AskAllAsync(
            servers,
            userIds => new KeyClaimRequest(userIds.ToDictionary(userId => userId, userId => wanted[userId]), null),
            MatrixJson.Default.KeyClaimRequest, "claim", timeout, response.Failures!, cancellationToken);
        foreach (var (userId, answer) in answers)
        {
            foreach (var device in Members(KeyJson.Member(answer, "one_time_keys"), userId))
            {
                if (!wanted[userId].ContainsKey(device.Name) || device.Value.ValueKind != JsonValueKind.Object) continue;
                if (!response.OneTimeKeys.TryGetValue(userId, out var devices)) response.OneTimeKeys[userId] = devices = [];
                devices[device.Name] = device.Value.EnumerateObject().ToDictionary(key => key.Name, key => key.Value);
            }
        }
    }

    // All at once; a server that does not answer is a failure of its own, and the others' answers are given.
    private async Task<List<(string UserId, JsonElement Answer)>> AskAllAsync<T>(
        Dictionary<string, List<string>> servers, Func<List<string>, T> question, JsonTypeInfo<T> type, string what, long? timeout,
        Dictionary<string, KeyFailure> failures, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter((int)Math.Clamp(timeout ?? DefaultTimeout, 0, MaxTimeout));
        var asked = servers.Select(server => AskAsync(server.Key, JsonSerializer.SerializeToElement(question(server.Value), type))).ToList();
        var answers = new List<(string, JsonElement)>();
        foreach (var ((serverName, userIds), answer) in servers.Zip(await Task.WhenAll(asked)))
        {
            if (answer.Failure is null) answers.AddRange(userIds.Select(userId => (userId, answer.Json)));
            else failures[serverName] = answer.Failure;
        }

        cancellationToken.ThrowIfCancellationRequested();
        return answers;

        async Task<(JsonElement Json, KeyFailure? Failure)> AskAsync(string serverName, JsonElement content)
        {
            try
            {
                return (await federation.SendAsync(
                    HttpMethod.Post, serverName, $"/_matrix/federation/v1/user/keys/{what}", content, limit.Token), null);
            }
            catch (FederationException e)
            {
                return (default, new KeyFailure(e.ErrorCode ?? "M_UNKNOWN", e.Message));
            }
            catch (OperationCanceledException)
            {
                return (default, new KeyFailure("M_UNKNOWN", $"{serverName} did not answer in time"));
            }
        }
    }

    private static JsonElement.ObjectEnumerator Members(JsonElement? users, string userId) =>
        users is { } all && KeyJson.Member(all, userId) is { ValueKind: JsonValueKind.Object } ofUser ? ofUser.EnumerateObject() : default;

    // What one server says about another one's user is nothing.
    private static bool IsOf(JsonElement key, string userId) => KeyJson.Text(key, "user_id") == userId;

    private static (string PublicKey, JsonObject Json)? Key(JsonElement answer, string usage, string userId)
    {
        try
        {
            var key = KeyJson.Member(answer, $"{usage}_keys") is { } keys
                ? CrossSigningKey.Read(KeyJson.Member(keys, userId), usage, userId)
                : null;
            return key is null ? null : (key.PublicKey, JsonNode.Parse(key.Json)!.AsObject());
        }
        catch (MatrixErrorException)
        {
            return null;
        }
    }

    private static JsonObject? Object(JsonElement json)
    {
        try
        {
            return JsonNode.Parse(KeyJson.Canonical(json)) as JsonObject;
        }
        catch (MatrixErrorException)
        {
            // Nobody could verify its signatures.
            return null;
        }
    }
}
