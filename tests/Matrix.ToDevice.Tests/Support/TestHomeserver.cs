using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>A homeserver around the module, on real Kestrel on a free loopback port.</summary>
internal sealed class TestHomeserver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TestHomeserver(WebApplication app)
    {
        _app = app;
        Address = new Uri(app.Urls.Single());
        Http = new HttpClient { BaseAddress = Address, Timeout = TimeLimit.OfOneWait };
    }

    public Uri Address { get; }
    public HttpClient Http { get; }
    public IServiceProvider Services => _app.Services;
    public TestDevices Devices => Services.GetRequiredService<TestDevices>();
    public ToDeviceSync ToDevice => Services.GetRequiredService<ToDeviceSync>();

    /// <summary>Starts it.</summary>
    /// <param name="services">Adds to, or replaces, what the module is made of: <see cref="TestStore"/>, <see cref="TestDevices"/>.</param>
    /// <param name="pipeline">Maps; by default both endpoints of the module.</param>
    public static async Task<TestHomeserver> StartAsync(
        Action<ISendToDeviceBuilder>? services = null, Action<WebApplication>? pipeline = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddSingleton<TestDevices>();
        var toDevice = builder.Services.AddSendToDevice().UseTestStore();
        toDevice.Services.AddSingleton<IAuthResolver>(provider => provider.GetRequiredService<TestDevices>());
        toDevice.Services.AddSingleton<IDeviceDirectory>(provider => provider.GetRequiredService<TestDevices>());
        services?.Invoke(toDevice);

        var app = builder.Build();
        if (pipeline is null)
        {
            app.MapSendToDevice();
            app.MapToDeviceSync();
        }
        else
        {
            pipeline(app);
        }

        await app.StartAsync();
        return new TestHomeserver(app);
    }

    /// <summary>Logs a device in.</summary>
    public TestClient Login(string userId, string deviceId) => new(Http, Devices.Add(userId, deviceId));

    /// <summary>A client with a token that is answered like this.</summary>
    public TestClient Login(AuthResult result) => new(Http, Devices.AddToken(result));

    /// <summary>Ends a device, in the order that the documentation asks for.</summary>
    public async Task LogoutAsync(string userId, string deviceId)
    {
        Devices.Remove(userId, deviceId);
        await ToDevice.RemoveDeviceAsync(new DeviceAddress(userId, deviceId), default);
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        await _app.DisposeAsync();
    }
}
