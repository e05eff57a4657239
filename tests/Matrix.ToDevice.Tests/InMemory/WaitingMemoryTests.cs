using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>A server that runs for years has seen many devices: of those that do not wait any more, nothing is kept.</summary>
public class WaitingMemoryTests
{
    private const int Devices = 200;

    [Test]
    public async Task R57_a_device_that_has_waited_leaves_nothing_behind([Values] bool isRemoved)
    {
        // A store of others, of which nothing is known between two reads (D25).
        await using var server = await TestHomeserver.StartAsync(HookedInbox.Add);
        using var waiting = WaitingSyncs.Of(server.Services);
        var userIds = new List<WeakReference>();
        for (var n = 0; n < Devices; n++) userIds.Add(await WaitAsync(server, waiting, isRemoved));

        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();

        // A few may still be known to something that has not been used since.
        Assert.That(userIds.Count(userId => userId.IsAlive), Is.LessThan(Devices / 10));
    }

    // A frame of its own, so that the caller's keeps nothing.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static async Task<WeakReference> WaitAsync(TestHomeserver server, WaitingSyncs waiting, bool isRemoved)
    {
        var userId = $"@{Guid.NewGuid():N}:hs1";
        var device = new DeviceAddress(userId, "D");
        if (!isRemoved)
        {
            using var batch = await server.ToDevice.NextAsync(device, null, TimeSpan.FromMilliseconds(1), default);
        }
        else
        {
            var poll = server.ToDevice.NextAsync(device, null, TimeSpan.FromMinutes(1), default).AsTask();
            await waiting.ReachesAsync(1);
            server.Services.GetRequiredService<IInboxSignals>().DeviceRemoved(device);
            using var batch = await poll;
            await waiting.ReachesAsync(0);
        }

        return new WeakReference(userId);
    }
}
