using MyHomeserver;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddSingleton<Accounts>();
builder.Services.AddSendToDevice()
    .UseSqlite(builder.Configuration.GetConnectionString("ToDevice")!)
    .UseAuth<AuthResolver>()
    .UseDirectory<DeviceDirectory>();

var app = builder.Build();
app.MapSendToDevice();   // PUT /_matrix/client/{v3,r0,unstable}/sendToDevice/{eventType}/{txnId}
app.MapToDeviceSync();   // GET /_matrix/client/{v3,r0}/sync, until you have one of your own
app.Run();
