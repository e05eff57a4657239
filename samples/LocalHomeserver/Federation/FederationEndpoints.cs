using System.Reflection;
using System.Text.Json.Nodes;
using Matrix.ToDevice;

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
        services.AddTransient<IEduHandler, ToDeviceEdus>();
    }

    public static void MapFederation(this IEndpointRouteBuilder app)
    {
        app.MapGet("/_matrix/key/v2/server", async (
            ServerKey key, Settings settings, TimeProvider clock, CancellationToken cancellationToken) =>
        {
            var document = KeyDocument.Of(settings.ServerName, await key.GetAsync(cancellationToken), clock);
            return TypedResults.Text(document.ToJsonString(), "application/json");
        });

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
                [.. devices.Select(device => UserDevice.Of(device, keys.Devices.GetValueOrDefault(device.DeviceId)))],
                keys.MasterKey,
                keys.SelfSigningKey);
        });
    }
}

/// <summary>The devices of a user, for another server.</summary>
/// <param name="UserId">The user.</param>
/// <param name="StreamId">The version of the list.</param>
/// <param name="Devices">The devices.</param>
/// <param name="MasterKey">The user's master key, if there is one.</param>
/// <param name="SelfSigningKey">The user's self-signing key, if there is one.</param>
public sealed record UserDeviceList(
    string UserId, long StreamId, IReadOnlyList<UserDevice> Devices, JsonObject? MasterKey = null, JsonObject? SelfSigningKey = null);

/// <summary>A device of another server's user.</summary>
/// <param name="DeviceId">Its ID.</param>
/// <param name="DeviceDisplayName">What its user calls it.</param>
/// <param name="Keys">Its identity keys, if it has uploaded any.</param>
public sealed record UserDevice(string DeviceId, string? DeviceDisplayName = null, JsonObject? Keys = null)
{
    internal static UserDevice Of(Device device, JsonObject? keys) =>
        new(device.DeviceId, device.DisplayName.Length == 0 ? null : device.DisplayName, keys);
}

internal sealed record ServerVersion(ServerVersion.Implementation Server)
{
    internal sealed record Implementation(string Name, string Version);
}
