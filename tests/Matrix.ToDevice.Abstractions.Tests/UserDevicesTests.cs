namespace Matrix.ToDevice.Tests;

public class UserDevicesTests
{
    [Test]
    public void R28_an_unknown_user_has_no_devices_and_is_not_remote() => Assert.Multiple(() =>
    {
        Assert.That(UserDevices.Unknown.DeviceIds, Is.Empty);
        Assert.That(UserDevices.Unknown.IsRemote, Is.False);
        Assert.That(default(UserDevices), Is.EqualTo(UserDevices.Unknown));
    });

    [Test]
    public void R27_a_remote_user_has_no_devices_here() => Assert.Multiple(() =>
    {
        Assert.That(UserDevices.Remote.DeviceIds, Is.Empty);
        Assert.That(UserDevices.Remote.IsRemote, Is.True);
    });

    [Test]
    public void A_local_user_has_the_devices_that_were_named()
    {
        var user = UserDevices.Local(["PHONE", "LAPTOP"]);

        Assert.That(user.DeviceIds, Is.EqualTo(new[] { "PHONE", "LAPTOP" }));
        Assert.That(user.IsRemote, Is.False);
    }
}
