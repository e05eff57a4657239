using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace LocalHomeserver;

/// <summary>What other servers ask for their users: <c>POST user/keys/query</c> and <c>POST user/keys/claim</c>.</summary>
internal static class KeyFederationEndpoints
{
    public static void MapKeyFederation(this IEndpointRouteBuilder app)
    {
        var federation = app.MapGroup("/_matrix/federation/v1/user/keys");
        federation.MapPost("/query", async (
            Origin origin, KeyChanges changes, IAccountStore accounts, RemoteKeys remote, Contacts contacts,
            CancellationToken cancellationToken) =>
        {
            var users = Read(origin, MatrixJson.Default.KeyQueryRequest).Users();
            var response = new KeyQueryResponse([], [], [], null, null);

            // Users of other servers are not this one's to tell about.
            var userIds = remote.ByServer(users.Keys).Local;

            // Before the answer: what changes after it, that server is told. Who does not exist is not remembered, and who it
            // was that asked is not said: somebody of that server, who has no name here.
            var deviceIds = await accounts.FindDeviceIdsAsync(userIds, cancellationToken);
            foreach (var userId in userIds.Where(deviceIds.HasAny))
                await contacts.AddAsync(userId, [$"@:{origin.ServerName}"], cancellationToken);
            foreach (var userId in userIds)
                response.Add(userId, await UserKeys.FindAsync(changes, accounts, userId, asker: null, cancellationToken), users[userId]);
            return response;
        });

        federation.MapPost("/claim", async (
            Origin origin, DeviceKeys keys, IAccountStore accounts, RemoteKeys remote, CancellationToken cancellationToken) =>
        {
            var wanted = Read(origin, MatrixJson.Default.KeyClaimRequest).Wanted();
            var userIds = remote.ByServer(wanted.Keys).Local;
            return new KeyClaimResponse(
                await KeyClaimEndpoint.ClaimLocalAsync(wanted, userIds, keys, accounts, cancellationToken), Failures: null);
        });
    }

    private static T Read<T>(Origin origin, JsonTypeInfo<T> type)
    {
        if (origin.Content is not { } content || !JsonText.IsGood(content)) throw Errors.BadJson();
        try
        {
            return content.Deserialize(type) ?? throw Errors.BadJson();
        }
        catch (JsonException)
        {
            throw Errors.BadJson();
        }
    }
}
