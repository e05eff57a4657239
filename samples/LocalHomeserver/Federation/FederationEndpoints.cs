using System.Reflection;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Http.HttpResults;

namespace LocalHomeserver;

/// <summary>What other servers ask.</summary>
internal static class FederationEndpoints
{
    private static readonly string s_version = typeof(ToDeviceSync).Assembly.GetName().Version!.ToString(3);

    public static void AddFederation(this IServiceCollection services)
    {
        services.AddSingleton<ISigningKeyStore>(provider => provider.GetRequiredService<IAccountStore>());
        services.AddSingleton<ServerKey>();
        services.AddSingleton<PeerKeys>();
        services.AddSingleton(provider => new FederationClient(
            provider.GetRequiredService<Settings>(), provider.GetRequiredService<ServerKey>()));
    }

    public static void MapFederation(this IEndpointRouteBuilder app)
    {
        // Servers used to ask for one key by its identifier; they get all of them, as the specification says.
        app.MapGet("/_matrix/key/v2/server", GetKeysAsync);
        app.MapGet("/_matrix/key/v2/server/{keyId}", GetKeysAsync);

        var federation = app.MapGroup("/_matrix/federation/v1");
        federation.MapSend();
        federation.MapGet("/version", () => new ServerVersion(new("LocalHomeserver", s_version)));

        federation.MapGet("/user/devices/{userId}", async (
            Origin _, string userId, IAccountStore store, KeyChanges changes, DeviceLists lists, CancellationToken cancellationToken) =>
        {
            if (await store.FindPasswordHashAsync(userId, cancellationToken) is null)
                throw Errors.NotFound("This server has no such user");

            // The version first: what changes after it is a reason to ask again.
            var version = await lists.VersionAsync(userId, cancellationToken);
            var devices = await store.ListDevicesAsync(userId, cancellationToken);
            var keys = await UserKeys.FindAsync(changes, store, userId, asker: null, cancellationToken);
            return new UserDeviceList(
                userId,
                version,
                // Only those with keys: the specification wants them of each, and servers that read it to the letter make nothing of
                // an answer in which one has none.
                [.. devices.Where(device => keys.Devices.ContainsKey(device.DeviceId)).Select(device => UserDevice.Of(device, keys.Devices[device.DeviceId]))],
                keys.MasterKey,
                keys.SelfSigningKey);
        });
    }

    private static async Task<ContentHttpResult> GetKeysAsync(
        ServerKey key, Settings settings, TimeProvider clock, CancellationToken cancellationToken)
    {
        var document = KeyDocument.Of(settings.ServerName, await key.GetAsync(cancellationToken), clock);
        return TypedResults.Text(document.ToJsonString(), "application/json");
    }
}

internal sealed record ServerVersion(ServerVersion.Implementation Server)
{
    internal sealed record Implementation(string Name, string Version);
}
