using System.Buffers;
using Microsoft.Extensions.DependencyInjection;

namespace Matrix.ToDevice.Tests;

/// <summary>What cannot be stored fails its own call, and nobody who shares a commit with it. For the stores that commit many sends at once.</summary>
public class BadCallTests
{
    private const string Half = "\ud800";

    // What a store that puts something in the place of half a surrogate pair would take it for.
    private const string Replacement = "\ufffd";

    private static readonly TransactionKey s_key = new("@alice:hs1", "A1", TransactionKey.SendToDevice, "m.test", "bad");
    private static readonly ToDeviceMessage s_message = new(new("@bob:hs1", "B1"), "@alice:hs1", "m.test", "{}"u8.ToArray(), 1);
    private static readonly OutboundEdu s_edu = new("hs2", "m1", "{}"u8.ToArray());

    private ServiceProvider _services = null!;

    private ITransactionStore Transactions => _services.GetRequiredService<ITransactionStore>();
    private IDeviceInbox Inbox => _services.GetRequiredService<IDeviceInbox>();
    private IFederationOutbox Outbox => _services.GetRequiredService<IFederationOutbox>();

    [SetUp]
    public void Open()
    {
        var services = new ServiceCollection();
        services.AddSendToDevice().UseTestStore();
        _services = services.BuildServiceProvider();
    }

    [TearDown]
    public ValueTask Close() => _services.DisposeAsync();

    private static IEnumerable<TestCaseData> BadSends()
    {
        yield return Send("the requester's user ID", s_key with { UserId = "@" + Half }, s_message);
        yield return Send("the requester's device ID", s_key with { DeviceId = Half }, s_message);
        yield return Send("the endpoint", s_key with { Endpoint = Half }, s_message);
        yield return Send("the transaction's event type", s_key with { EventType = "m" + Half }, s_message);
        yield return Send("the transaction ID", s_key with { TransactionId = "\udc00\ud800" }, s_message);
        yield return Send("the recipient's user ID", s_key, s_message with { Recipient = new("@bob" + Half, "B1") });
        yield return Send("the recipient's device ID", s_key, s_message with { Recipient = new("@bob:hs1", Half + "x") });
        yield return Send("a long device ID", s_key, s_message with { Recipient = new("@bob:hs1", new string('x', 5000) + Half) });
        yield return Send("no device ID", s_key, s_message with { Recipient = new("@bob:hs1", null!) });
        yield return Send("the sender", s_key, s_message with { Sender = Half });
        yield return Send("the event type", s_key, s_message with { EventType = Half });
        yield return Send("the second message", s_key, s_message, s_message with { Recipient = new("@bob:hs1", Half) });
        yield return new TestCaseData(s_key, Array.Empty<ToDeviceMessage>(), new[] { s_edu with { Destination = Half } }).SetArgDisplayNames("the destination");
        yield return new TestCaseData(s_key, Array.Empty<ToDeviceMessage>(), new[] { s_edu with { MessageId = Half } }).SetArgDisplayNames("the message ID");

        static TestCaseData Send(string what, TransactionKey key, params ToDeviceMessage[] messages) =>
            new TestCaseData(key, messages, Array.Empty<OutboundEdu>()).SetArgDisplayNames(what);
    }

    [TestCaseSource(nameof(BadSends))]
    public async Task D24_what_is_no_text_fails_its_own_send_before_that_waits_for_a_commit(
        TransactionKey key, ToDeviceMessage[] messages, OutboundEdu[] edus)
    {
        var sends = Enumerable.Range(0, 11)
            .Select(n => n == 5 ? SendAsync(key, messages, edus) : SendAsync(s_key with { TransactionId = $"t{n}" }, [s_message with { SendId = n }], []))
            .ToList();

        Assert.That(async () => await sends[5], Throws.InstanceOf<ArgumentException>());
        sends.RemoveAt(5);
        Assert.That(await Task.WhenAll(sends), Is.All.EqualTo(CommitResult.Committed));
        Assert.That(await CountAsync(s_message.Recipient), Is.EqualTo(10));
        Assert.That(await Outbox.ListDestinationsAsync(null, 10, default), Is.Empty);
    }

    [Test]
    public async Task D24_what_fails_while_it_is_written_is_not_written_and_those_beside_it_are()
    {
        using var broken = new Broken();
        var sends = Enumerable.Range(0, 200)
            .Select(n => SendAsync(
                s_key with { TransactionId = $"t{n}" }, [s_message with { SendId = n, Content = n % 20 == 5 ? broken.Memory : s_message.Content }], []))
            .ToList();

        var failed = 0;
        foreach (var send in sends)
        {
            try
            {
                Assert.That(await send, Is.EqualTo(CommitResult.Committed));
            }
            catch (Exception exception) when (exception is not AssertionException)
            {
                failed++;
            }
        }

        Assert.That(failed, Is.EqualTo(10));
        Assert.That(await CountAsync(s_message.Recipient), Is.EqualTo(190));
    }

    [Test]
    public async Task D24_a_device_ID_that_is_no_text_is_not_taken_for_another_one()
    {
        var device = new DeviceAddress("@bob:hs1", Replacement);
        await SendAsync(s_key, [s_message with { Recipient = device }], []);
        using var page = await Inbox.ReadAsync(device, InboxPosition.Start, 10, int.MaxValue, default);
        var position = page.Messages.Single().Position;

        foreach (var bad in (DeviceAddress[])[device with { DeviceId = Half }, device with { UserId = "@bob:hs1" + Half }, device with { DeviceId = null! }])
        {
            Assert.That(async () => await Inbox.ReadAsync(bad, InboxPosition.Start, 10, int.MaxValue, default), Throws.InstanceOf<ArgumentException>());
            Assert.That(async () => await Inbox.AcknowledgeAsync(bad, position, default), Throws.InstanceOf<ArgumentException>());
            Assert.That(async () => await Inbox.RemoveDeviceAsync(bad, default), Throws.InstanceOf<ArgumentException>());
        }

        Assert.That(await CountAsync(device), Is.EqualTo(1));
    }

    [Test]
    public async Task D2_NUL_and_length_are_no_reason_to_fail()
    {
        var odd = "a\0b" + new string('ü', 5000);
        var device = new DeviceAddress("@b\0b:hs1", odd);
        var key = s_key with { EventType = odd, TransactionId = odd };

        Assert.That(await SendAsync(key, [s_message with { Recipient = device, EventType = odd }], []), Is.EqualTo(CommitResult.Committed));
        Assert.That(await SendAsync(key, [s_message with { Recipient = device }], []), Is.EqualTo(CommitResult.AlreadyCommitted));

        using var page = await Inbox.ReadAsync(device, InboxPosition.Start, 10, int.MaxValue, default);
        Assert.That(page.Messages.Single().EventType, Is.EqualTo(odd));
        Assert.That(await CountAsync(device with { DeviceId = "a" }), Is.Zero);
        await Inbox.RemoveDeviceAsync(device, default);
        Assert.That(await CountAsync(device), Is.Zero);
    }

    private async Task<CommitResult> SendAsync(TransactionKey key, ToDeviceMessage[] messages, OutboundEdu[] edus)
    {
        await using var transaction = (await Transactions.BeginAsync(key, Transactions.KnownRemovals, default))!;
        if (messages.Length > 0) await Inbox.AppendAsync(transaction, messages, default);
        if (edus.Length > 0) await Outbox.AppendAsync(transaction, edus, default);
        return await transaction.CommitAsync(default);
    }

    private async Task<int> CountAsync(DeviceAddress device)
    {
        using var page = await Inbox.ReadAsync(device, InboxPosition.Start, 1000, int.MaxValue, default);
        return page.Messages.Count;
    }

    /// <summary>A content that cannot be read.</summary>
    private sealed class Broken : MemoryManager<byte>
    {
        public override Memory<byte> Memory => CreateMemory(2);

        public override Span<byte> GetSpan() => throw new InvalidOperationException("This content cannot be read.");

        public override MemoryHandle Pin(int elementIndex = 0) => throw new InvalidOperationException("This content cannot be read.");

        public override void Unpin()
        {
        }

        protected override void Dispose(bool disposing)
        {
        }
    }
}
