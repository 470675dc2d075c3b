//! The DMTF resource types that this service shows, with their versions, in one place.

/// `ServiceRoot`
pub const SERVICE_ROOT: &str = "#ServiceRoot.v1_17_0.ServiceRoot";
/// `SessionService`
pub const SESSION_SERVICE: &str = "#SessionService.v1_1_9.SessionService";
/// `SessionCollection`
pub const SESSION_COLLECTION: &str = "#SessionCollection.SessionCollection";
/// `Session`
pub const SESSION: &str = "#Session.v1_7_1.Session";
/// `AccountService`
pub const ACCOUNT_SERVICE: &str = "#AccountService.v1_15_1.AccountService";
/// `ManagerAccountCollection`
pub const ACCOUNT_COLLECTION: &str = "#ManagerAccountCollection.ManagerAccountCollection";
/// `ManagerAccount`
pub const ACCOUNT: &str = "#ManagerAccount.v1_12_1.ManagerAccount";
/// `RoleCollection`
pub const ROLE_COLLECTION: &str = "#RoleCollection.RoleCollection";
/// `Role`
pub const ROLE: &str = "#Role.v1_3_2.Role";
/// `EventService`
pub const EVENT_SERVICE: &str = "#EventService.v1_10_3.EventService";
/// `EventDestinationCollection`
pub const SUBSCRIPTION_COLLECTION: &str = "#EventDestinationCollection.EventDestinationCollection";
/// `EventDestination`
pub const SUBSCRIPTION: &str = "#EventDestination.v1_14_1.EventDestination";
/// `ManagerCollection`
pub const MANAGER_COLLECTION: &str = "#ManagerCollection.ManagerCollection";
/// `Manager`
pub const MANAGER: &str = "#Manager.v1_19_1.Manager";
/// `MessageRegistryFileCollection`
pub const REGISTRY_COLLECTION: &str = "#MessageRegistryFileCollection.MessageRegistryFileCollection";
/// `MessageRegistryFile`
pub const REGISTRY_FILE: &str = "#MessageRegistryFile.v1_1_3.MessageRegistryFile";
/// `ChassisCollection`
pub const CHASSIS_COLLECTION: &str = "#ChassisCollection.ChassisCollection";
/// `Chassis`
pub const CHASSIS: &str = "#Chassis.v1_25_0.Chassis";
/// `PowerSubsystem`
pub const POWER_SUBSYSTEM: &str = "#PowerSubsystem.v1_1_2.PowerSubsystem";
/// `PowerSupplyCollection`
pub const SUPPLY_COLLECTION: &str = "#PowerSupplyCollection.PowerSupplyCollection";
/// `PowerSupply`
pub const SUPPLY: &str = "#PowerSupply.v1_6_0.PowerSupply";
/// `PowerSupplyMetrics`
pub const SUPPLY_METRICS: &str = "#PowerSupplyMetrics.v1_1_2.PowerSupplyMetrics";
/// `SensorCollection`
pub const SENSOR_COLLECTION: &str = "#SensorCollection.SensorCollection";
/// `Sensor`
pub const SENSOR: &str = "#Sensor.v1_10_0.Sensor";
/// `EnvironmentMetrics`
pub const ENVIRONMENT_METRICS: &str = "#EnvironmentMetrics.v1_4_0.EnvironmentMetrics";
/// `ComputerSystemCollection`
pub const SYSTEM_COLLECTION: &str = "#ComputerSystemCollection.ComputerSystemCollection";
/// `ComputerSystem`
pub const SYSTEM: &str = "#ComputerSystem.v1_22_1.ComputerSystem";

/// `DriveCollection`
pub const DRIVE_COLLECTION: &str = "#DriveCollection.DriveCollection";
/// `Drive`
pub const DRIVE: &str = "#Drive.v1_22_0.Drive";
/// `TaskService`
pub const TASK_SERVICE: &str = "#TaskService.v1_2_1.TaskService";
/// `TaskCollection`
pub const TASK_COLLECTION: &str = "#TaskCollection.TaskCollection";
/// `Task`
pub const TASK: &str = "#Task.v1_7_4.Task";

/// Every type, for `$metadata`.
pub const ALL: [&str; 33] = [
    SERVICE_ROOT,
    SESSION_SERVICE,
    SESSION_COLLECTION,
    SESSION,
    ACCOUNT_SERVICE,
    ACCOUNT_COLLECTION,
    ACCOUNT,
    ROLE_COLLECTION,
    ROLE,
    EVENT_SERVICE,
    SUBSCRIPTION_COLLECTION,
    SUBSCRIPTION,
    MANAGER_COLLECTION,
    MANAGER,
    REGISTRY_COLLECTION,
    REGISTRY_FILE,
    CHASSIS_COLLECTION,
    CHASSIS,
    POWER_SUBSYSTEM,
    SUPPLY_COLLECTION,
    SUPPLY,
    SUPPLY_METRICS,
    SENSOR_COLLECTION,
    SENSOR,
    ENVIRONMENT_METRICS,
    SYSTEM_COLLECTION,
    SYSTEM,
    DRIVE_COLLECTION,
    DRIVE,
    TASK_SERVICE,
    TASK_COLLECTION,
    TASK,
    "#Event.v1_9_0.Event",
];
