namespace Matrix.ToDevice.Tests;

/// <summary>Up to where an inbox was acknowledged is noted, and never stands above a message that waits.</summary>
public class AcknowledgedTests : TwoHostsTests
{
    private const int Count = 1000;
    private const string Acknowledged = "SELECT acknowledged FROM to_device.to_device_device WHERE device_id = 'B1'";

    [SetUp]
    public async Task AcknowledgeAsync()
    {
        await One.SendAsync("t0", "0", Enumerable.Repeat("B1", Count));
        using var page = await One.Inbox.ReadAsync(Host.Bob("B1"), InboxPosition.Start, Count, int.MaxValue, default);
        Assert.That(await One.Inbox.AcknowledgeAsync(Host.Bob("B1"), page.Messages[^1].Position, default), Is.EqualTo(Count));
        Assert.That(View.Count(Acknowledged), Is.EqualTo(Count));
    }

    [Test]
    public async Task D6_a_removal_takes_it_back_and_the_next_device_has_its_messages()
    {
        await Two.Inbox.RemoveDeviceAsync(Host.Bob("B1"), default);

        Assert.That(View.Count(Acknowledged), Is.Zero);
        await Two.SendAsync("t1", "1", "B1");
        Assert.That(await One.ReadAsync("B1"), Is.EqualTo(new[] { "1" }));
        using var page = await Two.Inbox.ReadAsync(Host.Bob("B1"), InboxPosition.Start, Count, int.MaxValue, default);
        Assert.That(await Two.Inbox.AcknowledgeAsync(Host.Bob("B1"), page.Messages[0].Position, default), Is.EqualTo(1));
    }

    /// <summary>Such a call came while the tables were brought up, and has waited for it with what the function was before.</summary>
    [Test]
    public async Task D6_a_removal_of_an_earlier_version_hides_nothing_from_the_next_device()
    {
        View.Execute("UPDATE to_device.to_device_device SET last_sequence = 0 WHERE device_id = 'B1'");

        await Two.SendAsync("t1", "1", "B1");

        Assert.That(await One.ReadAsync("B1"), Is.EqualTo(new[] { "1" }));
    }

    [Test]
    public async Task D11_a_message_that_the_inbox_does_not_hold_acknowledges_and_notes_nothing()
    {
        await One.SendAsync("t1", "1", Enumerable.Repeat("B1", Count));

        foreach (var position in (InboxPosition[])[new(2 * Count, 1), new(3 * Count, 1), new(Count, 1)])
            Assert.That(await Two.Inbox.AcknowledgeAsync(Host.Bob("B1"), position, default), Is.Zero);

        Assert.That(View.Count(Acknowledged), Is.EqualTo(Count));
        Assert.That(await One.ReadAsync("B1"), Has.Count.EqualTo(Count));
    }
}
