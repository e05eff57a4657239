namespace Matrix.ToDevice.Tests;

/// <summary>Users with more devices than are looked through one by one.</summary>
public class ManyDevicesTests : HttpTests
{
    private const int Devices = 20;

    private TestClient[] _devices = null!;

    [SetUp]
    public void LoginMany() => _devices = [.. Enumerable.Range(0, Devices).Select(i => Server.Login("@many:hs1", $"D{i}"))];

    [Test]
    public async Task R28_D10_a_device_ID_is_case_sensitive_among_many_too()
    {
        (await Alice.PutAsync("m.test", "t1", """{"messages":{"@many:hs1":{"d0":{"wrong":1},"D1":{}}}}""")).ShouldBeAccepted();

        Assert.That((await _devices[0].SyncAsync()).Events, Is.Empty);
        Assert.That((await _devices[1].SyncAsync()).Contents, Is.EqualTo(new[] { "{}" }));
        // Nor does a device that comes later get it.
        Assert.That((await Server.Login("@many:hs1", "d0").SyncAsync()).Events, Is.Empty);
    }

    [Test]
    public async Task D10_a_star_reaches_a_device_whose_ID_differs_by_case_from_one_that_is_named()
    {
        var small = Server.Login("@many:hs1", "d0");

        (await Alice.PutAsync("m.test", "t1", """{"messages":{"@many:hs1":{"D0":{"named":1},"*":{"star":1}}}}""")).ShouldBeAccepted();

        Assert.That((await _devices[0].SyncAsync()).Contents, Is.EqualTo(new[] { """{"named":1}""" }));
        Assert.That((await small.SyncAsync()).Contents, Is.EqualTo(new[] { """{"star":1}""" }));
    }
}
