using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Matrix.ToDevice.Tests;

/// <summary>A host hears of the devices that other servers' users speak of, and can notice that its copy of a list is out of date.</summary>
public class RemoteDeviceTests : ReceiverTests
{
    private readonly CapturedLog _log = new();

    private protected override void Configure(ISendToDeviceBuilder builder)
    {
        _log.AddTo(builder, LogLevel.Warning);
        builder.UseRemoteDeviceObserver<Observer>();
    }

    [OneTimeTearDown]
    public void Dispose() => _log.Dispose();

    [TestCase("m.room_key_request", "requesting_device_id")]
    [TestCase("m.key.verification.request", "from_device")]
    [TestCase("m.key.verification.ready", "from_device")]
    [TestCase("m.key.verification.start", "from_device")]
    public async Task A_device_that_speaks_of_itself_is_told(string type, string key)
    {
        await ReceiveAsync(Edu($$$"""{"@bob:hs1":{"*":{"a":{"{{{key}}}":"WRONG"},"{{{key}}}":"C\u00321"} } }""", type: type));

        Assert.That(Seen, Is.EqualTo(new[] { new DeviceAddress("@carol:hs2", "C21") }));
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase("m.room.encrypted", """{"requesting_device_id":"C1"}""")]
    [TestCase("m.room_key_request", """{"from_device":"C1"}""")]
    [TestCase("m.room_key_request", "{}")]
    [TestCase("m.room_key_request", """{"requesting_device_id":""}""")]
    [TestCase("m.room_key_request", """{"requesting_device_id":null}""")]
    [TestCase("m.room_key_request", """{"requesting_device_id":["C1"]}""")]
    [TestCase("m.room_key_request", """{"requesting_device_id":"\ud800"}""")]
    [TestCase("m.room_key_request", """{"requesting_device_id":{"requesting_device_id":"C1"}}""")]
    public async Task What_names_no_device_is_delivered_and_not_told(string type, string content)
    {
        Assert.That(await ReceiveAsync(Edu($$$"""{"@bob:hs1":{"B1":{{{content}}} } }""", type: type)), Is.EqualTo(ReceivedEdu.Delivered));

        Assert.That(Seen, Is.Empty);
        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task A_name_that_is_no_device_ID_for_its_length_is_not_told()
    {
        await ReceiveAsync(Request(new string('é', 128), "m1"));
        await ReceiveAsync(Request(new string('é', 127), "m2"));

        Assert.That(Seen.Select(device => device.DeviceId), Is.EqualTo(new[] { new string('é', 127) }));
    }

    [Test]
    public async Task D15_repetitions_spoofed_senders_and_crowds_are_not_told()
    {
        await ReceiveAsync(Request("C1", "m1"));
        await ReceiveAsync(Request("C1", "m1"));
        await ReceiveAsync(Request("M1", "m2"), origin: "hs3");
        Assert.That(Seen.Select(device => device.DeviceId), Is.EqualTo(new[] { "C1" }));

        await ReceiveAsync(Edu(
            $"{{{string.Join(",", Enumerable.Range(0, 1000).Select(n => $$$""" "@{{{n}}}:hs1":{"D":{"requesting_device_id":"{{{n}}}"} } """))}}}",
            "m3", type: "m.room_key_request"));
        Assert.That(Seen, Has.Count.InRange(2, 10));
    }

    [Test]
    public async Task D24_an_observer_that_fails_fails_no_delivery()
    {
        Assert.That(await ReceiveAsync(Request("FAILS", "m1")), Is.EqualTo(ReceivedEdu.Delivered));
        Assert.That(await ReceiveAsync(Request("FAILS", "m1")), Is.EqualTo(ReceivedEdu.Duplicate));

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
        Assert.That(_log.Entries.Count(entry => entry.Text.Contains("observer", StringComparison.Ordinal)), Is.EqualTo(1));
    }

    [Test]
    public async Task Users_of_this_server_are_not_told()
    {
        (await Alice.PutAsync("m.room_key_request", "t1", ToBob("""{"requesting_device_id":"A1"}"""))).ShouldBeAccepted();

        Assert.That(Seen, Is.Empty);
    }

    private IReadOnlyCollection<DeviceAddress> Seen => ((Observer)Server.Services.GetRequiredService<IRemoteDeviceObserver>()).Seen;

    private static string Request(string deviceId, string messageId) =>
        Edu($$$"""{"@bob:hs1":{"B1":{"requesting_device_id":"{{{deviceId}}}"} } }""", messageId, type: "m.room_key_request");

    internal sealed class Observer : IRemoteDeviceObserver
    {
        private readonly ConcurrentQueue<DeviceAddress> _seen = new();

        public IReadOnlyCollection<DeviceAddress> Seen => _seen;

        public ValueTask DeviceSeenAsync(DeviceAddress device, CancellationToken cancellationToken)
        {
            if (device.DeviceId == "FAILS") throw new InvalidOperationException("It fails.");
            _seen.Enqueue(device);
            return default;
        }
    }
}
