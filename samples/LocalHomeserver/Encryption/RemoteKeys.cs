using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization.Metadata;
using Matrix.ToDevice;

namespace LocalHomeserver;

/// <summary>
/// The keys of other servers' users, asked for when somebody wants them. They are not kept. A server of which nothing can be used,
/// or nothing of one of the users, is named in <c>failures</c>.
/// </summary>
internal sealed class RemoteKeys(FederationClient federation, KeyChanges changes, Settings settings)
{
    private const int DefaultTimeout = 10_000;
    private const int MaxTimeout = 30_000;

    /// <summary>
    /// Whom to ask about these users. What is no user ID is nobody's, and left out: a client that has one in its list would get the
    /// keys of nobody, for as long as it stands there.
    /// </summary>
    public (List<string> Local, Dictionary<string, List<string>> Remote) ByServer(IEnumerable<string> userIds)
    {
        var local = new List<string>();
        var remote = new Dictionary<string, List<string>>();
        foreach (var userId in userIds.Where(Identifiers.IsUserId))
        {
            var serverName = UserIds.ServerNameOf(userId)!;
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
            MatrixJson.Default.KeyQueryRequest, "query", "device_keys", timeout, response.Failures!, cancellationToken);
        foreach (var (serverName, answer) in answers)
        {
            var devices = PeerJson.Members(answer["device_keys"]);
            var masters = PeerJson.Members(answer.GetValueOrDefault("master_keys"));
            var selfSignings = PeerJson.Members(answer.GetValueOrDefault("self_signing_keys"));
            foreach (var userId in servers[serverName])
            {
                if (Devices(devices.GetValueOrDefault(userId), userId) is not { } ofUser)
                {
                    // Left out: an empty list would say that the user has no devices any more.
                    response.Failures![serverName] = Unusable(serverName);
                    continue;
                }

                var (master, selfSigning) = PeerJson.CrossSigningKeys(
                    masters.GetValueOrDefault(userId), selfSignings.GetValueOrDefault(userId), userId);
                var masterKey = master is null ? null : PeerJson.Object(master.Json);
                var signatures = await changes.ReadAsync(statements => Signatures.FindAsync(statements, userId, asker), cancellationToken);
                if (master is not null)
                {
                    foreach (var signature in signatures[master.PublicKey]) signature.AddTo(masterKey!);
                }

                response.Add(
                    userId, new UserKeys(ofUser, masterKey, selfSigning is null ? null : PeerJson.Object(selfSigning.Json), null), deviceIds[userId]);
            }
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
            MatrixJson.Default.KeyClaimRequest, "claim", "one_time_keys", timeout, response.Failures!, cancellationToken);
        foreach (var (serverName, answer) in answers)
        {
            var users = PeerJson.Members(answer["one_time_keys"]);
            foreach (var userId in servers[serverName])
            {
                // Who is not there has no key left.
                if (!users.TryGetValue(userId, out var devices)) continue;
                if (devices.ValueKind != JsonValueKind.Object) response.Failures![serverName] = Unusable(serverName);
                foreach (var (deviceId, keys) in PeerJson.Members(devices))
                {
                    if (!wanted[userId].TryGetValue(deviceId, out var algorithm) || PeerJson.OneTimeKey(keys, algorithm) is not { } key) continue;
                    if (!response.OneTimeKeys.TryGetValue(userId, out var ofUser)) response.OneTimeKeys[userId] = ofUser = [];
                    ofUser[deviceId] = new() { [key.Name] = JsonElement.Parse(key.Key) };
                }
            }
        }
    }

    // All at once; a server that does not answer is a failure of its own, and the others' answers are given.
    private async Task<List<(string ServerName, Dictionary<string, JsonElement> Answer)>> AskAllAsync<T>(
        Dictionary<string, List<string>> servers, Func<List<string>, T> question, JsonTypeInfo<T> type, string what, string required,
        long? timeout, Dictionary<string, KeyFailure> failures, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter((int)Math.Clamp(timeout ?? DefaultTimeout, 0, MaxTimeout));
        var asked = servers.Select(server => AskAsync(server.Key, JsonSerializer.SerializeToElement(question(server.Value), type))).ToList();
        var answers = new List<(string, Dictionary<string, JsonElement>)>();
        foreach (var (serverName, answer) in servers.Keys.Zip(await Task.WhenAll(asked)))
        {
            var members = PeerJson.Members(answer.Json);
            if (answer.Failure is not null) failures[serverName] = answer.Failure;
            else if (members.GetValueOrDefault(required).ValueKind != JsonValueKind.Object) failures[serverName] = Unusable(serverName);
            else answers.Add((serverName, members));
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

    // One device that is not as it has to be is left out; but where there was something, and nothing of it can be used, nobody knows
    // which devices there are.
    private static Dictionary<string, JsonObject>? Devices(JsonElement devices, string userId)
    {
        if (devices.ValueKind != JsonValueKind.Object) return null;
        var usable = new Dictionary<string, JsonObject>();
        foreach (var (deviceId, device) in PeerJson.Members(devices))
        {
            if (PeerJson.DeviceKeys(device, new DeviceAddress(userId, deviceId)) is { } keys) usable.Add(deviceId, keys);
        }

        return usable.Count > 0 || devices.GetPropertyCount() == 0 ? usable : null;
    }

    private static KeyFailure Unusable(string serverName) =>
        new("M_UNKNOWN", $"{serverName} did not answer what was asked for in a form that can be used");
}
