using System.Collections.Concurrent;
// <adopted>
using Matrix.ToDevice;
// </adopted>
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Adoption;

/// <summary>A server of minimal APIs that keeps its accounts in static dictionaries.</summary>
internal static class StaticHost
{
    private static readonly ConcurrentDictionary<string, (string UserId, string DeviceId)> s_tokens = new();
    private static long s_position;

    public static WebApplication Build(WebApplicationBuilder builder, string database)
    {
        // <adopted>
        builder.Services.AddSendToDevice()
            .UseSqlite($"Data Source={database}")
            .UseAuth((context, _) => ValueTask.FromResult(Session(context) is { } session
                ? AuthResult.Success(session.UserId, session.DeviceId)
                : MatrixAccessToken.Read(context) is null ? AuthResult.MissingToken : AuthResult.UnknownToken()))
            .UseDirectory((_, userIds, _) => ValueTask.FromResult<IReadOnlyList<UserDevices>>([.. userIds.Select(id => UserDevices.Local(DevicesOf(id)))]));
        // </adopted>
        var app = builder.Build();
        // <adopted>
        app.UseToDeviceErrors();
        app.MapSendToDevice();
        // </adopted>
        app.MapPost("/_matrix/client/v3/login", (string user, string device) =>
        {
            var token = Guid.NewGuid().ToString();
            s_tokens[token] = (user, device);
            return Results.Json(new { access_token = token });
        });
        // <adopted>
        app.MapPost("/_matrix/client/v3/logout", async (HttpContext context, ToDeviceSync toDevice) =>
        // </adopted>
        {
            if (Session(context) is not { } session) return Results.Unauthorized();
            foreach (var (token, other) in s_tokens)
                if (other == session) s_tokens.TryRemove(token, out _);
            // <adopted>
            await toDevice.RemoveDeviceAsync(new DeviceAddress(session.UserId, session.DeviceId), CancellationToken.None);
            // </adopted>
            return Results.Json(new { });
        });
        // <adopted>
        app.MapGet("/_matrix/client/v3/sync", async (HttpContext context, ToDeviceSync toDevice, string? since, int? timeout) =>
        // </adopted>
        {
            if (Session(context) is not { } session) return Results.Unauthorized();
            var wait = TimeSpan.FromMilliseconds(timeout ?? 0);
            var mine = Interlocked.Increment(ref s_position);
            // <adopted>
            var at = since?.LastIndexOf('~') ?? -1;
            using var batch = await toDevice.NextAsync(
                new DeviceAddress(session.UserId, session.DeviceId), at < 0 ? null : since![(at + 1)..], wait, context.RequestAborted);
            return Results.Json(new { next_batch = $"s{mine}~{batch.NextBatch}", to_device = batch.ToEvents(), rooms = new { } });
            // </adopted>
        });
        return app;
    }

    private static (string UserId, string DeviceId)? Session(HttpContext context)
    {
        var token = context.Request.Headers.Authorization.ToString().Replace("Bearer ", "", StringComparison.Ordinal);
        return s_tokens.TryGetValue(token, out var session) ? session : null;
    }

    private static IEnumerable<string> DevicesOf(string userId) =>
        s_tokens.Values.Where(session => session.UserId == userId).Select(session => session.DeviceId).Distinct();
}
