namespace LocalHomeserver.Tests;

internal sealed class FilterTests(string store) : HomeserverTests(store)
{
    private TestDevice _device = null!;

    [SetUp]
    public async Task Register() => _device = await Server.RegisterAsync();

    [Test]
    public async Task A_filter_is_given_back_as_it_came()
    {
        var filter = """{"room": {"timeline": {"limit": 10, "x": 1e2}}, "\ud83d\ude00": "\u00e9"}""";
        var filterId = (await Upload(filter)).Ok().String("filter_id");
        var reply = await _device.CallAsync("GET", $"/user/{_device.UserId}/filter/{filterId}");

        Assert.That(reply.Text, Is.EqualTo(filter));
        Assert.That(reply.Headers["Content-Type"], Does.StartWith("application/json"));
    }

    [Test]
    public async Task The_same_filter_has_the_same_ID_and_another_has_another()
    {
        var first = (await Upload("""{"a":1}""")).Ok().String("filter_id");

        Assert.That((await Upload("""{"a":1}""")).Ok().String("filter_id"), Is.EqualTo(first));
        Assert.That((await Upload("""{"a":2}""")).Ok().String("filter_id"), Is.Not.EqualTo(first));
        Assert.That(first, Does.Not.StartWith("{"));
    }

    [Test]
    public async Task Encoded_user_IDs_in_the_path_are_read()
    {
        var name = Homeserver.NewName() + "/+=";
        var registration = new { username = name, password = "p", auth = new { type = "m.login.dummy" } };
        var user = new TestDevice(Server, (await Call("POST", "/register", registration)).Ok());
        var path = $"/user/{Uri.EscapeDataString(user.UserId)}/filter";

        var filterId = (await user.CallAsync("POST", path, "{}")).Ok().String("filter_id");
        (await user.CallAsync("GET", $"{path}/{filterId}")).Ok();
    }

    [Test]
    public async Task Another_users_filters_are_forbidden()
    {
        var other = await Server.RegisterAsync();
        (await _device.CallAsync("POST", $"/user/{other.UserId}/filter", "{}")).IsError(403, "M_FORBIDDEN");
        (await _device.CallAsync("GET", $"/user/{other.UserId}/filter/1")).IsError(403, "M_FORBIDDEN");
    }

    [Test]
    public async Task An_unknown_filter_is_not_found() =>
        (await _device.CallAsync("GET", $"/user/{_device.UserId}/filter/unknown")).IsError(404, "M_NOT_FOUND");

    [Test]
    public async Task A_filter_is_an_object()
    {
        (await Upload("[]")).IsError(400, "M_BAD_JSON");
        (await Upload("null")).IsError(400, "M_BAD_JSON");
        (await Upload("{")).IsError(400, "M_NOT_JSON");
    }

    private Task<Reply> Upload(string filter) => _device.CallAsync("POST", $"/user/{_device.UserId}/filter", filter);
}
