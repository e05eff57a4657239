using Matrix.ToDevice;

public sealed class MyUsers
{
    private readonly Dictionary<string, MyDevice> _byToken = new()
    {
        ["alice's"] = new("@alice:hs1", "PHONE"),
        ["bob's"] = new("@bob:hs1", "LAPTOP"),
    };

    public MyDevice? Find(HttpContext context) => MatrixAccessToken.Read(context) is { } token ? _byToken.GetValueOrDefault(token) : null;

    public Task<MyDevice?> FindByTokenAsync(string token, CancellationToken cancel) =>
        Task.FromResult(_byToken.GetValueOrDefault(token)).WaitAsync(cancel);

    public Task<Dictionary<string, List<string>>> FindDevicesAsync(IReadOnlyList<string> userIds, CancellationToken cancel) =>
        Task.FromResult(_byToken.Values.Where(device => userIds.Contains(device.UserId))
            .ToDictionary(device => device.UserId, device => new List<string> { device.DeviceId })).WaitAsync(cancel);

    public void Remove(MyDevice device)
    {
        foreach (var (token, owner) in _byToken) if (owner == device) _byToken.Remove(token);
    }
}

public sealed record MyDevice(string UserId, string DeviceId)
{
    public DeviceAddress Address => new(UserId, DeviceId);
}
