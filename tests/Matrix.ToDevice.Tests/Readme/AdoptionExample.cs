using System.Buffers;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>
/// What README and docs/getting-started.md show, between the marks; <see cref="AdoptionTests"/> runs it. That it is what they show is a
/// test of tests/Adoption.
/// </summary>
internal static class AdoptionExample
{
    public static void AddServices(IServiceCollection services)
    {
        // <readme-services>
        services.AddSendToDevice()
            .UseInMemory()                // the store; yours is .UseStore<MyStore>()
            .UseAuth<MyAuth>()            // who is asking?
            .UseDirectory<MyDevices>();   // which devices does a user have?
        // </readme-services>
    }

    public static void MapEndpoints(IEndpointRouteBuilder app)
    {
        // <readme-map>
        app.MapSendToDevice();            // PUT /_matrix/client/{v3,r0,unstable}/sendToDevice/{eventType}/{txnId}
        // </readme-map>

        app.MapGet("/_matrix/client/v3/sync", SyncAsync);
    }

    private static async Task SyncAsync(
        string? since, int? timeout, HttpContext context, [FromServices] ToDeviceSync toDevice, [FromServices] IAuthResolver auth)
    {
        var cancel = context.RequestAborted;
        var requester = (await auth.ResolveAsync(context, cancel)).Requester!;
        var device = new DeviceAddress(requester.UserId, requester.DeviceId!);
        var wait = TimeSpan.FromMilliseconds(timeout ?? 0);
        var body = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(body))
        {
            json.WriteStartObject();
            // <readme-sync>
            using var batch = await toDevice.NextAsync(device, since, wait, cancel);
            json.WriteString("next_batch", batch.NextBatch);
            if (!batch.IsEmpty)
            {
                json.WritePropertyName("to_device");
                batch.WriteTo(json);
            }
            // </readme-sync>
            json.WriteEndObject();
        }

        context.Response.ContentType = "application/json";
        await context.Response.BodyWriter.WriteAsync(body.WrittenMemory, cancel);
    }

    public static async Task LogoutAsync(MyUsers users, ToDeviceSync toDevice, DeviceAddress device, CancellationToken cancel)
    {
        users.RemoveDevice(device);
        // <readme-logout>
        await toDevice.RemoveDeviceAsync(device, cancel);   // after the device is gone from your own list
        // </readme-logout>
    }

    // <readme-seams>
    internal sealed class MyAuth(MyUsers users) : IAuthResolver
    {
        public async ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancel)
        {
            if (MatrixAccessToken.Read(context) is not { } token) return AuthResult.MissingToken;
            var device = await users.FindByTokenAsync(token, cancel);
            return device is null ? AuthResult.UnknownToken() : AuthResult.Success(device.UserId, device.DeviceId);
        }
    }

    internal sealed class MyDevices(MyUsers users) : IDeviceDirectory
    {
        public async ValueTask<IReadOnlyList<UserDevices>> FindAsync(IReadOnlyList<string> userIds, CancellationToken cancel)
        {
            var devices = await users.FindDevicesAsync(userIds, cancel);   // one query: user ID → device IDs
            return [.. userIds.Select(id => devices.TryGetValue(id, out var ids) ? UserDevices.Local(ids) : UserDevices.Unknown)];
        }
    }
    // </readme-seams>

    /// <summary>Stands for the homeserver's own users.</summary>
    internal sealed class MyUsers
    {
        private readonly Dictionary<string, MyDevice> _byToken = new()
        {
            ["alice's token"] = new("@alice:hs1", "PHONE"),
            ["bob's token"] = new("@bob:hs1", "LAPTOP"),
        };

        public Task<MyDevice?> FindByTokenAsync(string token, CancellationToken cancel) =>
            Task.FromResult(_byToken.GetValueOrDefault(token)).WaitAsync(cancel);

        public Task<Dictionary<string, HashSet<string>>> FindDevicesAsync(IReadOnlyList<string> userIds, CancellationToken cancel) =>
            Task.FromResult(_byToken.Values.Where(device => userIds.Contains(device.UserId))
                .ToDictionary(device => device.UserId, device => new HashSet<string> { device.DeviceId })).WaitAsync(cancel);

        public void RemoveDevice(DeviceAddress device)
        {
            foreach (var (token, owner) in _byToken)
                if (owner == new MyDevice(device.UserId, device.DeviceId)) _byToken.Remove(token);
        }
    }

    internal sealed record MyDevice(string UserId, string DeviceId);
}
