using System.Data;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace CustomStore;

/// <summary>What a homeserver with a database of its own writes to take in the module with its own store.</summary>
public static class Homeserver
{
    public static void AddServices(IServiceCollection services, string connectionString)
    {
        // <host-services>
        services.AddDbContextFactory<HomeserverDb>(options => options.UseSqlite(connectionString));
        services.AddSendToDevice()
            .UseStore<EntityFrameworkStore>()
            .UseAuth<TokenAuth>()
            .UseDirectory<DeviceDirectory>();
        // </host-services>
    }

    public static void MapEndpoints(IEndpointRouteBuilder app)
    {
        app.MapSendToDevice();
        app.MapToDeviceSync();
    }

    /// <summary>Stands for the homeserver's migrations.</summary>
    public static async Task CreateDatabaseAsync(IServiceProvider services, CancellationToken cancellationToken)
    {
        await using var db = await services.GetRequiredService<IDbContextFactory<HomeserverDb>>().CreateDbContextAsync(cancellationToken);
        // In write-ahead mode, which is what this makes: readers do not wait for the writer.
        await db.Database.EnsureCreatedAsync(cancellationToken);
        // A process that was killed in a commit may have left it with the operating system and not on the disk.
        // A checkpoint puts it there before anybody sees it.
        await db.Database.ExecuteSqlAsync($"PRAGMA wal_checkpoint(FULL)", cancellationToken);
    }

    // <host-logout>
    /// <summary>Logs a device out. The store deletes the homeserver's own row with the inbox, in one transaction.</summary>
    public static ValueTask LogoutAsync(ToDeviceSync toDevice, DeviceAddress device, CancellationToken cancellationToken) =>
        toDevice.RemoveDeviceAsync(device, cancellationToken);
    // </host-logout>

    // <host-deactivate>
    /// <summary>Deactivates an account, with all its devices and their mail, in one transaction of the homeserver.</summary>
    public static async Task DeactivateAsync(
        HomeserverDb db, EntityFrameworkStore store, IInboxSignals signals, string userId, CancellationToken cancellationToken)
    {
        await using var transaction = await db.Database.BeginTransactionAsync(IsolationLevel.Serializable, cancellationToken);
        var deviceIds = await db.Devices.Where(device => device.UserId == userId).Select(device => device.DeviceId).ToListAsync(cancellationToken);
        await db.Users.Where(user => user.UserId == userId).ExecuteUpdateAsync(user => user.SetProperty(u => u.Deactivated, true), cancellationToken);
        foreach (var deviceId in deviceIds) await store.RemoveDeviceAsync(db, new DeviceAddress(userId, deviceId));
        await transaction.CommitAsync(CancellationToken.None);

        // Their long polls end here: the module has not seen this removal.
        foreach (var deviceId in deviceIds) signals.DeviceRemoved(new DeviceAddress(userId, deviceId));
    }
    // </host-deactivate>

    internal sealed class TokenAuth(IDbContextFactory<HomeserverDb> contexts) : IAuthResolver
    {
        public async ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken)
        {
            if (MatrixAccessToken.Read(context) is not { } token) return AuthResult.MissingToken;
            await using var db = await contexts.CreateDbContextAsync(cancellationToken);
            var device = await db.Devices.AsNoTracking().SingleOrDefaultAsync(row => row.AccessToken == token, cancellationToken);
            return device is null ? AuthResult.UnknownToken() : AuthResult.Success(device.UserId, device.DeviceId);
        }
    }

    internal sealed class DeviceDirectory(IDbContextFactory<HomeserverDb> contexts) : IDeviceDirectory
    {
        public async ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancellationToken)
        {
            await using var db = await contexts.CreateDbContextAsync(cancellationToken);
            var devices = (await db.Devices.AsNoTracking().Where(device => userIds.Contains(device.UserId)).ToListAsync(cancellationToken))
                .ToLookup(device => device.UserId, device => device.DeviceId);
            return [.. userIds.Select(userId => UserDevices.Local([.. devices[userId]]))];
        }
    }
}
