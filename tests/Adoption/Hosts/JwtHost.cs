using System.Collections.Concurrent;
using System.Security.Claims;
using System.Security.Cryptography;
// <adopted>
using Matrix.ToDevice;
// </adopted>
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Mvc;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Adoption;

/// <summary>An MVC server with JSON Web Tokens, a fallback policy, and a loop of its own in its /sync.</summary>
internal static class JwtHost
{
    public static WebApplication Build(WebApplicationBuilder builder, string database)
    {
        builder.Services.AddSingleton<JwtUsers>();
        builder.Services.AddControllers().AddApplicationPart(typeof(JwtHost).Assembly)
            .ConfigureApplicationPartManager(manager => manager.FeatureProviders.Add(new OnlyController<JwtController>()));
        builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(options =>
        {
            options.MapInboundClaims = false;
            options.TokenValidationParameters = new() { IssuerSigningKey = JwtUsers.Key, ValidateAudience = false, ValidIssuer = "hs1" };
        });
        builder.Services.AddAuthorizationBuilder().SetFallbackPolicy(new AuthorizationPolicyBuilder().RequireAuthenticatedUser().Build());
        // <adopted>
        builder.Services.AddSendToDevice().UseSqlite($"Data Source={database}").UseClaimsAuth("mxid", "device_id")
            .UseDirectory((services, userIds, _) => ValueTask.FromResult<IReadOnlyList<UserDevices>>(
                [.. userIds.Select(id => UserDevices.Local(services.GetRequiredService<JwtUsers>().DevicesOf(id)))]));
        // </adopted>
        var app = builder.Build();
        app.UseAuthentication();
        app.UseAuthorization();
        // <adopted>
        app.UseToDeviceErrors();
        app.MapSendToDevice().AllowAnonymous();
        // </adopted>
        app.MapControllers();
        return app;
    }
}

/// <summary>The server's own users.</summary>
public sealed class JwtUsers
{
    private readonly ConcurrentDictionary<(string UserId, string DeviceId), bool> _devices = new();

    internal static SymmetricSecurityKey Key { get; } = new(RandomNumberGenerator.GetBytes(64));

    public string Add(string userId, string deviceId)
    {
        _devices[(userId, deviceId)] = true;
        return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = "hs1",
            Subject = new ClaimsIdentity([new Claim("sub", "17"), new Claim("mxid", userId), new Claim("device_id", deviceId)]),
            SigningCredentials = new SigningCredentials(Key, SecurityAlgorithms.HmacSha512),
        });
    }

    public IEnumerable<string> DevicesOf(string userId) => _devices.Keys.Where(device => device.UserId == userId).Select(device => device.DeviceId);

    public void Remove(string userId, string deviceId) => _devices.TryRemove((userId, deviceId), out _);
}

// <adopted>
public sealed class JwtController(JwtUsers users, ToDeviceSync toDevice) : ControllerBase
// </adopted>
{
    [AllowAnonymous]
    [HttpPost("/_matrix/client/v3/login")]
    public object Login(string user, string device) => new { access_token = users.Add(user, device) };

    [HttpPost("/_matrix/client/v3/logout")]
    public async Task<object> LogoutAsync()
    {
        users.Remove(User.FindFirstValue("mxid")!, User.FindFirstValue("device_id")!);
        // <adopted>
        await toDevice.RemoveDeviceAsync(Device, CancellationToken.None);
        // </adopted>
        return new { };
    }

    [HttpGet("/_matrix/client/v3/sync")]
    public async Task<object> SyncAsync(string? since, int timeout)
    {
        var ends = TimeProvider.System.GetUtcNow().AddMilliseconds(timeout);
        while (true)
        {
            var hasRoomNews = false;
            // <adopted>
            using var batch = await toDevice.NextAsync(Device, since, TimeSpan.Zero, HttpContext.RequestAborted);
            var isOver = hasRoomNews || !batch.IsEmpty || TimeProvider.System.GetUtcNow() >= ends;
            if (isOver) return new { next_batch = batch.NextBatch, to_device = batch.ToEvents() };
            await toDevice.WaitAsync(Device, since, TimeSpan.FromMilliseconds(250), HttpContext.RequestAborted);
            // </adopted>
        }
    }

    // <adopted>
    private DeviceAddress Device => new(User.FindFirstValue("mxid")!, User.FindFirstValue("device_id")!);
    // </adopted>
}
