// <adopted>
using Matrix.ToDevice;
// </adopted>
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.EntityFrameworkCore;
using Microsoft.Extensions.DependencyInjection;

namespace Adoption;

/// <summary>An MVC server that keeps everything in its own <c>DbContext</c>, to-device messages included.</summary>
internal static class EfHost
{
    public static WebApplication Build(WebApplicationBuilder builder, string database)
    {
        builder.Services.AddDbContext<EfDb>(options => options.UseSqlite($"Data Source={database}"));
        builder.Services.AddControllers().AddApplicationPart(typeof(EfHost).Assembly)
            .ConfigureApplicationPartManager(manager => manager.FeatureProviders.Add(new OnlyController<EfController>()));
        // <adopted>
        builder.Services.AddSendToDevice().UseEntityFrameworkCore<EfDb>().UseAuth(async (context, cancel) =>
            MatrixAccessToken.Read(context) is not { } token ? AuthResult.MissingToken
            : await context.RequestServices.GetRequiredService<EfDb>().Devices.FindAsync([token], cancel) is { } device
                ? AuthResult.Success(device.UserId, device.DeviceId) : AuthResult.UnknownToken())
            .UseDirectory(async (services, userIds, cancel) =>
            {
                var devices = await services.GetRequiredService<EfDb>().Devices.Where(device => userIds.Contains(device.UserId)).ToListAsync(cancel);
                return [.. userIds.Select(id => UserDevices.Local(devices.Where(device => device.UserId == id).Select(device => device.DeviceId)))];
            });
        // </adopted>
        var app = builder.Build();
        using (var scope = app.Services.CreateScope()) scope.ServiceProvider.GetRequiredService<EfDb>().Database.EnsureCreated();
        // <adopted>
        app.UseToDeviceErrors();
        app.MapSendToDevice();
        // </adopted>
        app.MapControllers();
        return app;
    }
}

public sealed class EfDb(DbContextOptions<EfDb> options) : DbContext(options)
{
    internal DbSet<EfDevice> Devices => Set<EfDevice>();

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<EfDevice>().HasKey(device => device.Token);
        // <adopted>
        modelBuilder.AddToDevice();
        // </adopted>
    }
}

internal sealed record EfDevice(string Token, string UserId, string DeviceId);

// <adopted>
public sealed class EfController(EfDb db, ToDeviceSync toDevice) : ControllerBase
// </adopted>
{
    [HttpPost("/_matrix/client/v3/login")]
    public async Task<object> LoginAsync(string user, string device)
    {
        var added = db.Devices.Add(new EfDevice(Guid.NewGuid().ToString(), user, device));
        await db.SaveChangesAsync();
        return new { access_token = added.Entity.Token };
    }

    [HttpPost("/_matrix/client/v3/logout")]
    public async Task<ActionResult<object>> LogoutAsync()
    {
        if (await DeviceAsync() is not { } device) return Unauthorized();
        db.Devices.RemoveRange(db.Devices.Where(other => other.UserId == device.UserId && other.DeviceId == device.DeviceId));
        await db.SaveChangesAsync();
        // <adopted>
        await toDevice.RemoveDeviceAsync(new DeviceAddress(device.UserId, device.DeviceId), CancellationToken.None);
        // </adopted>
        return new { };
    }

    [HttpGet("/_matrix/client/v3/sync")]
    public async Task<ActionResult<object>> SyncAsync(string? since, int timeout)
    {
        if (await DeviceAsync() is not { } device) return Unauthorized();
        // <adopted>
        using var batch = await toDevice.NextAsync(
            new DeviceAddress(device.UserId, device.DeviceId), since, TimeSpan.FromMilliseconds(timeout), HttpContext.RequestAborted);
        return new { next_batch = batch.NextBatch, to_device = batch.ToEvents() };
        // </adopted>
    }

    private async Task<EfDevice?> DeviceAsync() => await db.Devices.FindAsync(Request.Headers.Authorization.ToString().Split(' ')[^1]);
}
