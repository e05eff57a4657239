using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Mvc;

namespace Matrix.ToDevice.Tests;

/// <summary>A <c>/sync</c> that returns an object, as most servers have it: something else serialises it, when it has ended.</summary>
public sealed class ObjectSync(ToDeviceSync toDevice, IAuthResolver auth)
{
    public async Task<SyncResponse> SyncAsync(HttpContext context, string? since)
    {
        var requester = (await auth.ResolveAsync(context, context.RequestAborted)).Requester!;
        var device = new DeviceAddress(requester.UserId, requester.DeviceId!);
        using var batch = await toDevice.NextAsync(device, since, TimeSpan.Zero, context.RequestAborted);
        return new SyncResponse(batch.NextBatch, batch.ToEvents());
    }
}

public sealed record SyncResponse(string NextBatch, ToDeviceEvents ToDevice);

[ApiController]
public sealed class SyncController(ObjectSync sync) : ControllerBase
{
    [HttpGet("/_matrix/client/v3/sync")]
    public Task<SyncResponse> GetAsync(string? since = null) => sync.SyncAsync(HttpContext, since);
}
