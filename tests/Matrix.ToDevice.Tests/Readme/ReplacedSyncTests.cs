using Moq;

namespace Matrix.ToDevice.Tests;

/// <summary>A host's own tests stand something in the place of the module.</summary>
internal sealed class ReplacedSyncTests
{
    [Test]
    public async Task A_host_tests_its_own_sync_without_a_store()
    {
        var device = new DeviceAddress("@bob:hs1", "B1");
        // <replaced-sync>
        var toDevice = new Mock<ToDeviceSync>();
        var message = new InboxMessage(new InboxPosition(1, 2), "@alice:hs1", "m.test", "{}"u8.ToArray());
        toDevice.Setup(sync => sync.NextAsync(device, "s1", It.IsAny<TimeSpan>(), It.IsAny<CancellationToken>()))
            .ReturnsAsync(() => new ToDeviceBatch(new InboxPage([message], hasMore: false), "s2"));
        // </replaced-sync>

        using var batch = await toDevice.Object.NextAsync(device, "s1", TimeSpan.Zero, default);

        Assert.That((batch.NextBatch, batch.ToEvents().Events.Single().Sender), Is.EqualTo(("s2", "@alice:hs1")));
    }
}
