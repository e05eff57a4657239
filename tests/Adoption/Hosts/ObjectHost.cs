using System.Collections.Concurrent;
using System.Text.Json.Serialization;
// <adopted>
using Matrix.ToDevice;
// </adopted>
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;

namespace Adoption;

/// <summary>An MVC server whose actions return objects, and whose users and tokens are GUIDs.</summary>
internal static class ObjectHost
{
    public static WebApplication Build(WebApplicationBuilder builder, string database)
    {
        builder.Services.AddSingleton<ObjectUsers>();
        builder.Services.AddControllers().AddApplicationPart(typeof(ObjectHost).Assembly)
            .ConfigureApplicationPartManager(manager => manager.FeatureProviders.Add(new OnlyController<ObjectController>()));
        // <adopted>
        builder.Services.AddSendToDevice().UseSqlite($"Data Source={database}").UseAuth<ObjectAuth>()
            .UseDirectory((services, userIds, _) => ValueTask.FromResult<IReadOnlyList<UserDevices>>(
                [.. userIds.Select(id => UserDevices.Local(services.GetRequiredService<ObjectUsers>().DevicesOf(id)))]));
        // </adopted>
        var app = builder.Build();
        // <adopted>
        app.UseToDeviceErrors();
        app.MapSendToDevice();
        // </adopted>
        app.MapControllers();
        return app;
    }
}

// <adopted>
internal sealed class ObjectAuth(ObjectUsers users) : IAuthResolver
{
    public ValueTask<AuthResult> ResolveAsync(HttpContext context, CancellationToken cancellationToken) => ValueTask.FromResult(
        MatrixAccessToken.Read(context) is not { } token ? AuthResult.MissingToken
        : users.Find(token) is { } session ? AuthResult.Success(session.MatrixId, session.DeviceId)
        : AuthResult.UnknownToken());
}
// </adopted>

/// <summary>The server's own users. Their key is a GUID; their Matrix ID is made of their name.</summary>
public sealed class ObjectUsers
{
    private readonly ConcurrentDictionary<Guid, ObjectSession> _sessions = new();

    public Guid Add(string user, string device)
    {
        var token = Guid.NewGuid();
        _sessions[token] = new ObjectSession(Guid.NewGuid(), user, device);
        return token;
    }

    public ObjectSession? Find(string token) => Guid.TryParse(token, out var id) ? _sessions.GetValueOrDefault(id) : null;

    public IEnumerable<string> DevicesOf(string matrixId) =>
        _sessions.Values.Where(session => session.MatrixId == matrixId).Select(session => session.DeviceId);

    public void Remove(ObjectSession session)
    {
        foreach (var (token, other) in _sessions)
            if (other == session) _sessions.TryRemove(token, out _);
    }
}

public sealed record ObjectSession(Guid UserKey, string MatrixId, string DeviceId);

public sealed class ObjectSyncResponse
{
    [JsonPropertyName("next_batch")]
    public required string NextBatch { get; init; }

    [JsonPropertyName("rooms")]
    public object Rooms { get; init; } = new();

    // <adopted>
    [JsonPropertyName("to_device")]
    public required ToDeviceEvents ToDevice { get; init; }
    // </adopted>
}

// <adopted>
public sealed class ObjectController(ObjectUsers users, ToDeviceSync toDevice) : ControllerBase
// </adopted>
{
    [HttpPost("/_matrix/client/v3/login")]
    public object Login(string user, string device) => new { access_token = users.Add(user, device) };

    [HttpPost("/_matrix/client/v3/logout")]
    public async Task<ActionResult<object>> LogoutAsync()
    {
        if (Session() is not { } session) return Unauthorized();
        users.Remove(session);
        // <adopted>
        await toDevice.RemoveDeviceAsync(new DeviceAddress(session.MatrixId, session.DeviceId), CancellationToken.None);
        // </adopted>
        return new { };
    }

    [HttpGet("/_matrix/client/v3/sync")]
    public async Task<ActionResult<ObjectSyncResponse>> SyncAsync(string? since, int timeout)
    {
        if (Session() is not { } session) return Unauthorized();
        // <adopted>
        using var batch = await toDevice.NextAsync(
            new DeviceAddress(session.MatrixId, session.DeviceId), since, TimeSpan.FromMilliseconds(timeout), HttpContext.RequestAborted);
        return new ObjectSyncResponse { NextBatch = batch.NextBatch, ToDevice = batch.ToEvents() };
        // </adopted>
    }

    private ObjectSession? Session() => users.Find(Request.Headers.Authorization.ToString().Split(' ')[^1]);
}
