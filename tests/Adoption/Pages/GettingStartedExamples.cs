using System.Threading.RateLimiting;
using Matrix.ToDevice;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.DependencyInjection;

namespace Adoption;

/// <summary>What docs/getting-started.md shows beside the readme's example; <see cref="GettingStartedTests"/> runs it.</summary>
internal static class GettingStartedExamples
{
    public static async Task EndAsync(ToDeviceSync toDevice, DeviceAddress device, string userId, string[] deviceIds, CancellationToken cancel)
    {
        // <end-of-devices>
        await toDevice.RemoveDeviceAsync(device, cancel);                  // logout, DELETE /devices/{id}
        await toDevice.RemoveDevicesAsync(userId, deviceIds, cancel);      // logout/all, delete_devices, deactivation, a new password
        // </end-of-devices>
    }

    public static void AddLimit(WebApplicationBuilder builder)
    {
        // <limit-services>
        builder.Services.AddRateLimiter(options => options.AddPolicy("send", context => RateLimitPartition.GetTokenBucketLimiter(
            MatrixAccessToken.Read(context) ?? "",
            _ => new() { TokenLimit = 100, TokensPerPeriod = 10, ReplenishmentPeriod = TimeSpan.FromSeconds(1) })));
        // </limit-services>
    }

    public static void MapLimited(WebApplication app)
    {
        // <limit-map>
        app.UseRateLimiter();
        app.MapSendToDevice().RequireRateLimiting("send");
        // </limit-map>
    }
}
