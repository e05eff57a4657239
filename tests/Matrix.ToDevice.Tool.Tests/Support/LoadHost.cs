using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>A small homeserver whose accounts stay the same, on whatever store: a token is the user and the device.</summary>
internal sealed class LoadHost : IAsyncDisposable
{
    public const string Receiver = "@receiver:here";

    private readonly WebApplication _app;

    private LoadHost(WebApplication app) => _app = app;

    public static Account AccountOf(string userId, string deviceId) => new(userId, deviceId, $"{userId}|{deviceId}");

    public static async Task<LoadHost> StartAsync(TestStore store, Uri address, int receivers)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls(address.ToString());
        store.Use(builder.Services.AddSendToDevice()
            .UseAuth((context, _) => ValueTask.FromResult(
                MatrixAccessToken.Read(context)?.Split('|') is [var user, var device] ? AuthResult.Success(user, device) : AuthResult.UnknownToken()))
            .UseDirectory((_, userIds, _) => ValueTask.FromResult<IReadOnlyList<UserDevices>>(
                [.. userIds.Select(id => id == Receiver ? UserDevices.Local(Enumerable.Range(0, receivers).Select(i => $"R{i}")) : UserDevices.Unknown)])));
        var app = builder.Build();
        app.UseToDeviceErrors();
        app.MapSendToDevice();
        app.MapToDeviceSync();
        await app.StartAsync();
        return new LoadHost(app);
    }

    /// <summary>At once: requests that are under way get no answer.</summary>
    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(new CancellationToken(canceled: true));
        await _app.DisposeAsync();
    }
}
